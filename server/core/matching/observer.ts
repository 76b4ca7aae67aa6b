/** The observer: what the engine reports of each packet, if a trace asks for it (`server/explain`). */
import type { LiveSequence } from './live-sequence.ts';

/** The progress of a source on a sequence after its newest packet, which is one of the sequence's knocks. */
export interface Standing {
  /**
   * Knocks of the longest run that ends at the newest packet, within the stray budget and seq_timeout. 1 to all; 0 if
   * the sequence is strict and the packet is out of order.
   */
  readonly knocks: number;
  /** The same without the limit of seq_timeout. */
  readonly untimed: number;
  /** The same without both limits, over all remembered packets. */
  readonly seen: number;
  /** Distinct strays in the run of `knocks`. */
  readonly strays: number;
  /** Monotonic milliseconds of that run's first packet. */
  readonly startedAtMs: number;
}

export interface Observer {
  /** First call for every packet: whether any door watches its destination. */
  arrived(isWatched: boolean): void;
  /** Called for each scope whose TCP flags the packet matches: the packet counts there. */
  taken(): void;
  /** Called for each live sequence that holds the packet's pair, after {@link taken}. */
  touched(sequence: LiveSequence, standing: Standing): void;
}
