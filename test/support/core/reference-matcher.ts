/**
 * The matcher's definition, as naive code over the list of one source's eligible packets. The real matcher must agree
 * with it on every input. Slow on purpose; forgets nothing.
 */

import type { LiveSequence } from '../../../server/core/matching/live-sequence.ts';
import type { Standing } from '../../../server/core/matching/observer.ts';
import type { Pair } from '../../../shared/knock.ts';

export interface Packet {
  readonly atMs: number;
  readonly pair: Pair;
}

/** Whether the newest of `packets` completes `sequence`. */
export function referenceCompletes(packets: readonly Packet[], sequence: LiveSequence): boolean {
  const counted = packets.filter((packet) => packet.atMs >= sequence.enteredAtMs);
  for (let start = counted.length - 1; start >= 0; start -= 1) {
    const run = counted.slice(start);
    if (
      !holds(
        run.map(({ pair }) => pair),
        sequence,
      )
    )
      continue;
    const distinct = new Set(run.map(({ pair }) => pair)).size;
    const lasts = (run.at(-1)?.atMs ?? 0) - (run[0]?.atMs ?? 0);
    return (
      distinct <= sequence.pairs.length + sequence.maxStrays && lasts <= sequence.seqTimeoutMs && endsIt(run, sequence)
    );
  }
  return false;
}

/**
 * Whether the newest of `packets` completes an attempt of two parts: the shortest run that holds both (one after the
 * other, where order matters) begins with a knock of the first part and keeps to the attempt's strays and time.
 * `attempt` has the first part's pairs and the whole attempt's stray budget.
 */
export function referenceCompletesBound(
  packets: readonly Packet[],
  attempt: LiveSequence,
  second: readonly Pair[],
): boolean {
  const both = [...attempt.pairs, ...second];
  const whole = { ...attempt, pairs: attempt.order === 'any' ? [...new Set(both)] : both };
  const counted = packets.filter((packet) => packet.atMs >= attempt.enteredAtMs);
  for (let start = counted.length - 1; start >= 0; start -= 1) {
    const run = counted.slice(start);
    const pairs = run.map(({ pair }) => pair);
    if (holds(pairs, whole)) return attempt.pairs.includes(pairs[0] ?? -1) && referenceCompletes(packets, whole);
  }
  return false;
}

function holds(run: readonly Pair[], { pairs, order }: Pick<LiveSequence, 'pairs' | 'order'>): boolean {
  if (order === 'any') return pairs.every((pair) => run.includes(pair));
  let next = 0;
  for (const pair of run) if (pair === pairs[next]) next += 1;
  return next === pairs.length;
}

/** A packet completes nothing unless it is a knock of the sequence (if strict, its last one). */
function endsIt(run: readonly Packet[], { pairs, order }: LiveSequence): boolean {
  const pair = run.at(-1)?.pair ?? -1;
  return order === 'any' ? pairs.includes(pair) : pairs.at(-1) === pair;
}

/**
 * The stage of a strict sequence that the newest packet reached: the longest prefix that ends with this packet's pair
 * and that a shortest run holds in order within the budget; 0 for none.
 */
export function referenceStage(packets: readonly Packet[], sequence: LiveSequence): number {
  for (let stage = sequence.pairs.length; stage > 0; stage -= 1) {
    const pairs = sequence.pairs.slice(0, stage);
    if (referenceCompletes(packets, { ...sequence, pairs })) return stage;
  }
  return 0;
}

/**
 * The progress after the newest packet, a knock of `sequence`: of the shortest runs that end there and hold one knock,
 * two, ... (the first ones in order, if it is strict), the longest within each of the limits.
 * @param capacity distinct pairs that are remembered
 */
export function referenceStanding(packets: readonly Packet[], sequence: LiveSequence, capacity: number): Standing {
  const nowMs = packets.at(-1)?.atMs ?? 0;
  const runs = sequence.pairs.flatMap((_, at) => {
    const knocks = at + 1;
    const start = packets.findLastIndex((__, from) => holdsKnocks(packets.slice(from), sequence, knocks));
    const distinct = new Set(packets.slice(start).map(({ pair }) => pair)).size;
    if (start < 0 || distinct > capacity) return [];
    return [{ knocks, strays: Math.max(distinct - knocks, 0), startedAtMs: packets[start]?.atMs ?? 0 }];
  });
  const frugal = runs.filter(({ strays }) => strays <= sequence.maxStrays);
  const timely = frugal.filter(
    ({ startedAtMs }) => startedAtMs >= sequence.enteredAtMs && nowMs - startedAtMs <= sequence.seqTimeoutMs,
  );
  const best = timely.at(-1) ?? { knocks: 0, strays: 0, startedAtMs: nowMs };
  return { ...best, untimed: frugal.at(-1)?.knocks ?? 0, seen: runs.at(-1)?.knocks ?? 0 };
}

function holdsKnocks(run: readonly Packet[], { pairs, order }: LiveSequence, knocks: number): boolean {
  const sent = run.map(({ pair }) => pair);
  if (order === 'any') return pairs.filter((pair) => sent.includes(pair)).length >= knocks;
  const first = pairs.slice(0, knocks);
  return first.at(-1) === sent.at(-1) && holds(sent, { pairs: first, order });
}
