/**
 * The matcher's definition as naive code over the list of one source's eligible packets: what the real matcher must
 * agree with on every input. Slow on purpose; remembers everything.
 */

import type { LiveSequence } from '../../server/core/sequence-index.ts';
import type { Pair } from '../../shared/knock.ts';

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
 * Whether the newest of `packets` completes an attempt of two parts: the shortest run that holds both (one after the other,
 * where order matters) begins with a knock of the first part and keeps to the attempt's strays and time. `attempt` has the
 * first part's pairs and the whole attempt's stray budget.
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

function holds(run: readonly Pair[], { pairs, order }: LiveSequence): boolean {
  if (order === 'any') return pairs.every((pair) => run.includes(pair));
  let next = 0;
  for (const pair of run) if (pair === pairs[next]) next += 1;
  return next === pairs.length;
}

/** A packet that is no knock of the sequence (or, strict, not its last one) completes nothing: the run before it did. */
function endsIt(run: readonly Packet[], { pairs, order }: LiveSequence): boolean {
  const pair = run.at(-1)?.pair ?? -1;
  return order === 'any' ? pairs.includes(pair) : pairs.at(-1) === pair;
}

/**
 * How many knocks of a strict sequence the newest packet has brought its source to: the most, of those that end with this
 * packet's pair, that the shortest run from anywhere holds in order within the budget; 0 when none.
 */
export function referenceStage(packets: readonly Packet[], sequence: LiveSequence): number {
  for (let stage = sequence.pairs.length; stage > 0; stage -= 1) {
    const pairs = sequence.pairs.slice(0, stage);
    if (referenceCompletes(packets, { ...sequence, pairs })) return stage;
  }
  return 0;
}
