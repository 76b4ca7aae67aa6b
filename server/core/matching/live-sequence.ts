/** A live sequence: one that would open a door if a source completed it now. */
import type { AddressKey } from '../../../shared/address.ts';
import type { Pair } from '../../../shared/knock.ts';

/** One sequence that the matcher watches for. */
export interface LiveSequence {
  /** Unique for the life of the process. */
  readonly id: number;
  readonly door: string;
  readonly client: string;
  readonly keyId: string;
  readonly factor: number;
  /** In knocking order. Distinct for derived sequences; others may repeat a pair. */
  readonly pairs: readonly Pair[];
  readonly order: 'any' | 'strict';
  /** Longest run, milliseconds. */
  readonly seqTimeoutMs: number;
  /** Distinct stray pairs allowed in the run. */
  readonly maxStrays: number;
  /** Monotonic milliseconds: packets before this do not count, see matcher. */
  readonly enteredAtMs: number;
  /** Of a first part, which opens nothing by itself: the second part for one source. See bound-attempt. */
  readonly secondPart?: ((source: AddressKey) => readonly Pair[]) | undefined;
  /** A strict sequence whose progress is to be told as it is made. */
  readonly tellsStages?: boolean;
  /** Knocks by which a source shows that it knows the sequence; absent where everybody may. */
  readonly contestFrom?: number | undefined;
  /** Knocks after which a source can go wrong, see penalty; absent where the door gives no penalties. */
  readonly penaltyFrom?: number | undefined;
}
