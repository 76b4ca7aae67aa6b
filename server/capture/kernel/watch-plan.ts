/**
 * Decides which mode the kernel's table should be in, and which ports to add to its sets or remove. Pure functions.
 */
import type { Pair } from '../../../shared/knock.ts';
import type { LivePairs } from '../../core/matching/live-pairs.ts';

/**
 * `filtered`: the kernel hands over packets to live ports, and then all packets of their sources. The other modes hand over
 * everything: `overflowing` while a source may have found the set of suspects full; `crowded` while so many ports are live
 * that a filter would pass most packets anyway.
 */
export type WatchMode = 'filtered' | 'overflowing' | 'crowded';

/** Enough for about 200 clients of doors with six knocks and three live sequences each. */
export const MAX_LIVE_PAIRS = 4096;
/** `crowded` ends below this limit. The gap avoids a switch at every rotation. */
export const FEW_LIVE_PAIRS = 3072;

export function nextMode(mode: WatchMode, livePairs: number, overflowing: boolean): WatchMode {
  if (livePairs > (mode === 'crowded' ? FEW_LIVE_PAIRS : MAX_LIVE_PAIRS)) return 'crowded';
  return overflowing ? 'overflowing' : 'filtered';
}

export interface SetChanges {
  readonly added: readonly Pair[];
  readonly removed: readonly Pair[];
}

/** The changes that bring `present`, the pairs in the kernel's sets, in line with `live`. Compares only `touched`. */
export function setChanges(
  touched: Iterable<Pair>,
  live: Pick<LivePairs, 'has'>,
  present: ReadonlySet<Pair>,
): SetChanges {
  const added: Pair[] = [];
  const removed: Pair[] = [];
  for (const pair of touched) {
    if (live.has(pair) === present.has(pair)) continue;
    (live.has(pair) ? added : removed).push(pair);
  }
  return { added, removed };
}

/** The tag after `tag`, 1 to 255. It differs, so packets chosen by older rules can be told from new ones. */
export function nextTag(tag: number): number {
  return (tag % 255) + 1;
}

export const MODE_REASONS: Readonly<Record<WatchMode, string | undefined>> = {
  filtered: undefined,
  overflowing: 'more sources touched live ports than the kernel can watch',
  crowded: 'too many ports are live for the kernel to choose',
};
