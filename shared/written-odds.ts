/**
 * Computes how safe a written-down sequence is. The administrator chooses its ports, so a sweep is a risk besides
 * random packets (`odds.ts`): a scan visits ports in order and completes a sequence whose ports lie close together in
 * that order.
 */
import { isUdp, knockOf, type Pair } from './knock.ts';
import { MAX_STRAYS, type OddsInput, strayBudget } from './odds.ts';

/** Ports that a knock of a written-down sequence can have, for each protocol that the sequence uses. */
const PORTS = 65_535;

/**
 * The odds of a strict sequence. A port that comes twice in a row counts once, because a scanner that repeats its
 * packets also knocks twice.
 */
export function writtenOdds(pairs: readonly Pair[], liveSequences: number): OddsInput {
  const protocols = new Set(pairs.map(isUdp)).size;
  return { knocks: withoutEchoes(pairs).length, pairs: PORTS * protocols, liveSequences, anyOrder: false };
}

/** True when a port comes twice in a row. */
export function hasEchoes(pairs: readonly Pair[]): boolean {
  return withoutEchoes(pairs).length < pairs.length;
}

/** The strays allowed in a written-down sequence, 0 to 256: as many as the odds allow and no sweep can use. */
export function writtenStrayBudget(pairs: readonly Pair[], liveSequences: number): number {
  // The matcher counts distinct pairs against the length, so a repeated pair already leaves room for a stray.
  const inherent = pairs.length - new Set(pairs).size;
  const affordable = strayBudget(writtenOdds(pairs, liveSequences)) - inherent;
  return Math.max(0, Math.min(affordable, sweepLimit(pairs), MAX_STRAYS));
}

/** True when a scan of ports in order opens it even without strays: 7000,7001,7002, or a single port. */
export function isSweepable(pairs: readonly Pair[]): boolean {
  return sweepLimit(pairs) < 0;
}

/** The most strays with which a sweep over all its ports is still too long a run. A zigzag has no limit. */
function sweepLimit(pairs: readonly Pair[]): number {
  const ports = withoutEchoes(pairs).map((pair) => knockOf(pair).port);
  const steps = ports.slice(1).map((port, at) => Math.sign(port - (ports[at] ?? 0)));
  if (steps.some((step) => step !== steps[0])) return MAX_STRAYS;
  const span = Math.abs((ports.at(-1) ?? 0) - (ports[0] ?? 0)) + 1;
  return span - pairs.length - 1;
}

function withoutEchoes(pairs: readonly Pair[]): readonly Pair[] {
  return pairs.filter((pair, at) => pair !== pairs[at - 1]);
}
