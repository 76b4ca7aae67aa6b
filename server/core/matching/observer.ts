import type { LiveSequence } from './live-sequence.ts';

/** How far a source has come on a sequence with its newest packet, which is one of the sequence's knocks. */
export interface Standing {
  /**
   * Knocks of the longest run that ends at the newest packet and keeps to the stray budget and to seq_timeout: 1 to all;
   * 0 where the sequence is strict and the packet is out of order.
   */
  readonly knocks: number;
  /** The same, time not regarded. */
  readonly untimed: number;
  /** The same, neither time nor strays regarded: all that is remembered. */
  readonly seen: number;
  /** Distinct strays in the run of `knocks`. */
  readonly strays: number;
  /** Monotonic milliseconds of that run's first packet. */
  readonly startedAtMs: number;
}

export interface Observer {
  /** Called first for every packet: whether any door watches its destination. */
  arrived(isWatched: boolean): void;
  /** Once for each group of doors whose flags the packet has: it counts there. */
  taken(): void;
  /** Once for each live sequence that holds the packet's pair, after {@link taken}. */
  touched(sequence: LiveSequence, standing: Standing): void;
}
