/**
 * When a source shows that it knows a sequence, as naive code over the list of its packets, and whom that makes rivals, as
 * naive code over all who ever did. Slow on purpose; remembers everything.
 */
import { networkOf } from '../../../server/core/contest.ts';
import type { LiveSequence } from '../../../server/core/matching/live-sequence.ts';
import type { AddressKey } from '../../../shared/address.ts';
import type { Packet } from './reference-matcher.ts';

/** Whether the newest of `packets` is a knock of the sequence and ends a run that shows `knocks` of it. */
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
    // What a longer prefix explains is no stray, and a shorter one may be all that is in order.
    return Array.from({ length: held - knocks + 1 }, (_, more) => knocks + more).some(
      (prefix) => distinct - prefix <= sequence.maxStrays,
    );
  });
}

/** The first to have shown a sequence among those that are no neighbours of this source. */
export function referenceRival(shown: readonly AddressKey[], source: AddressKey): AddressKey | undefined {
  return shown.find((other) => networkOf(other) !== networkOf(source));
}
