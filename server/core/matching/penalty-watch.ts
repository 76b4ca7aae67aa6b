/**
 * Wrong combinations of one source, at doors with penalties: a run of the source's newest packets, no longer than
 * seq_timeout, held half of a live sequence's knocks (at least two; the first ones, where it is strict) and as many strays
 * as are forgiven, and now holds one more.
 */
import type { LiveSequence } from './live-sequence.ts';

/** What the watch asks of a source's recent packets. */
export interface RecentPackets {
  isWithin(sequence: LiveSequence, knocks: number | undefined): boolean;
  fewestStrays(sequence: LiveSequence, knocks: number): number | undefined;
}

/** Sequences that one source can be half way through at a time; further ones are not watched. */
export const MAX_HALFWAY = 4;

/** The sequences that one source is half way through, at doors with penalties. */
export class Halfway {
  #sequences: readonly LiveSequence[] = [];

  /** To be told of each knock of a sequence that the source has sent. */
  note(track: RecentPackets, sequence: LiveSequence): void {
    if (this.#sequences.length >= MAX_HALFWAY || this.#sequences.includes(sequence)) return;
    if (track.isWithin(sequence, sequence.penaltyFrom)) this.#sequences = [...this.#sequences, sequence];
  }

  /** After each packet: the sequences that it went wrong on. Those are let go, and those that are completed or late. */
  wrong(track: RecentPackets): readonly LiveSequence[] {
    const wrong: LiveSequence[] = [];
    this.#sequences = this.#sequences.filter((sequence) => {
      const strays = track.fewestStrays(sequence, sequence.penaltyFrom ?? sequence.pairs.length);
      if (strays === undefined) return false;
      if (strays <= sequence.maxStrays) return true;
      wrong.push(sequence);
      return false;
    });
    return wrong;
  }
}
