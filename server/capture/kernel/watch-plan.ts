/**
 * What the kernel should choose, and what must change for it. Pure: the sets that the kernel has and what it said of them
 * go in, decisions come out.
 */
import type { Pair } from '../../../shared/knock.ts';
import type { LivePairs } from '../../core/matching/live-pairs.ts';

/**
 * `filtered`: what goes to live ports, and all of whoever sent that. The others hand everything over: `overflowing`, while
 * there may be sources that found no room among the suspects; `crowded`, while so many ports are live that choosing would
 * let most packets through.
 */
export type WatchMode = 'filtered' | 'overflowing' | 'crowded';

/** Some 200 clients of doors with six knocks and three sequences each. */
export const MAX_LIVE_PAIRS = 4096;
/** Fewer than that, and it is worth while again: not back and forth at every rotation. */
export const FEW_LIVE_PAIRS = 3072;

export function nextMode(mode: WatchMode, livePairs: number, overflowing: boolean): WatchMode {
  if (livePairs > (mode === 'crowded' ? FEW_LIVE_PAIRS : MAX_LIVE_PAIRS)) return 'crowded';
  return overflowing ? 'overflowing' : 'filtered';
}

export interface SetChanges {
  readonly added: readonly Pair[];
  readonly removed: readonly Pair[];
}

/** What brings `present`, the pairs that the kernel's sets hold, in line with `live`, as far as `touched` goes. */
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

/** Another one than `tag`, 1 to 255: packets that were chosen by other rules must not look like those of today. */
export function nextTag(tag: number): number {
  return (tag % 255) + 1;
}

export const MODE_REASONS: Readonly<Record<WatchMode, string | undefined>> = {
  filtered: undefined,
  overflowing: 'more sources touched live ports than the kernel can watch',
  crowded: 'too many ports are live for the kernel to choose',
};
