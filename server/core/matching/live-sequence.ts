/** The live sequence: the type of a sequence that opens a door when a source completes it now. */
import type { AddressKey } from '../../../shared/address.ts';
import type { Pair } from '../../../shared/knock.ts';

export interface LiveSequence {
  /** Unique for the life of the process. */
  readonly id: number;
  readonly door: string;
  readonly client: string;
  readonly keyId: string;
  readonly factor: number;
  /** In knocking order. Distinct for derived sequences; listed ones may repeat a pair. */
  readonly pairs: readonly Pair[];
  readonly order: 'any' | 'strict';
  /** Longest duration of a run, milliseconds. */
  readonly seqTimeoutMs: number;
  /** Distinct stray pairs allowed in the run. */
  readonly maxStrays: number;
  /** When it became live, monotonic milliseconds: earlier packets do not count. */
  readonly enteredAtMs: number;
  /**
   * Set for a first part, which opens nothing by itself: derives the second part for a source. See `bound-attempt.ts`.
   */
  readonly secondPart?: ((source: AddressKey) => readonly Pair[]) | undefined;
  /** A strict sequence whose stages are reported. */
  readonly reportsStages?: boolean;
  /** Knocks after which a source is a contender, see `contest.ts`; absent if the sequence cannot be contested. */
  readonly contestFrom?: number | undefined;
  /** Knocks after which a combination can be wrong, see `penalty.ts`; absent at doors without penalties. */
  readonly penaltyFrom?: number | undefined;
}
