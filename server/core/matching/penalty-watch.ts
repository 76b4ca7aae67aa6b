/**
 * Detects the wrong combinations of one source, at doors with penalties (`penalty.ts` defines them). Watches the
 * sequences that the source is half-way through, until it completes them, runs out of time, or exceeds the stray
 * budget.
 */
import type { LiveSequence } from './live-sequence.ts';

/** The recent packets of a source, as the watch needs them. */
export interface RecentPackets {
  isWithin(sequence: LiveSequence, knocks: number | undefined): boolean;
  fewestStrays(sequence: LiveSequence, knocks: number): number | undefined;
}

/** Maximum of watched sequences for one source; further ones are not watched. */
export const MAX_HALFWAY = 4;

export class PenaltyWatch {
  #sequences: readonly LiveSequence[] = [];

  /** Call for each sequence that holds the source's newest packet. */
  note(track: RecentPackets, sequence: LiveSequence): void {
    if (this.#sequences.length >= MAX_HALFWAY || this.#sequences.includes(sequence)) return;
    if (track.isWithin(sequence, sequence.penaltyFrom)) this.#sequences = [...this.#sequences, sequence];
  }

  /** Call after each packet: its wrong combinations. Drops these, and completed and late sequences. */
  wrongCombinations(track: RecentPackets): readonly LiveSequence[] {
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
