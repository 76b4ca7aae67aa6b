/**
 * When a source becomes a contender for a sequence, as naive code over the list of its packets; and its rivals, as
 * naive code over all contenders so far. Slow on purpose; forgets nothing.
 */
import { networkOf } from '../../../server/core/contest.ts';
import type { LiveSequence } from '../../../server/core/matching/live-sequence.ts';
import type { AddressKey } from '../../../shared/address.ts';
import type { Packet } from './reference-matcher.ts';

/** Whether the newest of `packets` is a knock of the sequence and ends a run with `knocks` of its knocks. */
export function referenceShows(packets: readonly Packet[], sequence: LiveSequence, knocks: number): boolean {
  const newest = packets.at(-1);
  if (newest === undefined || !sequence.pairs.includes(newest.pair)) return false;
  const counted = packets.filter(({ atMs }) => atMs >= sequence.enteredAtMs);
  return counted.some((first, start) => {
    const run = counted.slice(start).map(({ pair }) => pair);
    if (newest.atMs - first.atMs > sequence.seqTimeoutMs) return false;
    const distinct = new Set(run).size;
    if (sequence.order === 'any') {
      const held = sequence.pairs.filter((pair) => run.includes(pair)).length;
      return held >= knocks && distinct - held <= sequence.maxStrays;
    }
    let held = 0;
    for (const pair of run) if (pair === sequence.pairs[held]) held += 1;
    // Packets of a longer prefix are no strays, and only a shorter prefix may be in order.
    return Array.from({ length: held - knocks + 1 }, (_, more) => knocks + more).some(
      (prefix) => distinct - prefix <= sequence.maxStrays,
    );
  });
}

/** The first contender from another network than this source. */
export function referenceRival(shown: readonly AddressKey[], source: AddressKey): AddressKey | undefined {
  return shown.find((other) => networkOf(other) !== networkOf(source));
}
