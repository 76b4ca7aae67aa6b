/**
 * What the engine decides, as data. The daemon carries effects out in their order and may not change what they say; all
 * addresses in them are bytes, and nothing in them is a secret or an unspent sequence.
 */
import type { AddressKey } from '../../shared/address.ts';
import type { FactorState } from './door.ts';
import type { RefusalReason } from './policy.ts';

/** What must be durably spent, before an admission may open. */
export type Spend =
  | { readonly kind: 'factor'; readonly keyId: string; readonly factor: number; readonly state: FactorState }
  | { readonly kind: 'line'; readonly line: number }
  | { readonly kind: 'nothing' };

/** A completed sequence that policy accepted. It is spent in memory already. */
export interface Admission {
  readonly kind: 'admit';
  readonly door: string;
  /** Empty where a door does not know its clients apart. */
  readonly client: string;
  readonly source: AddressKey;
  readonly spend: Spend;
  readonly strays: number;
}

/** A completed sequence that opens nothing. Logged; at a bounded rate, since a replay can be repeated at will. */
export interface Refusal {
  readonly kind: 'refuse';
  readonly door: string;
  readonly client: string;
  readonly source: AddressKey;
  readonly reason: RefusalReason;
  /** Where it is `contested`: the other source. */
  readonly other?: AddressKey;
  /**
   * It would have opened, and whoever saw it could knock it from elsewhere: it is spent in memory, and must be durably.
   */
  readonly spend?: Spend;
}

/** A source that is on its way through a written-down sequence. Anybody can cause the first of these. */
export interface StageReached {
  readonly kind: 'stage';
  readonly door: string;
  readonly source: AddressKey;
  /** From 1 to the length of the sequence. */
  readonly stage: number;
}

/** A second source shows that it knows most of a sequence. Once for each sequence. */
export interface Contested {
  readonly kind: 'contested';
  readonly door: string;
  readonly client: string;
  /** The one that came second. */
  readonly source: AddressKey;
  readonly other: AddressKey;
  /** Under `contested = refuse`: to be spent, and to open for nobody. */
  readonly spend?: Spend;
  /** Under `contested = refuse`: whom the sequence has let in, and who is to be let out. */
  readonly closes?: AddressKey;
}

/** A source made a wrong combination at a door that gives penalties. Forged packets can cause it for any source. */
export interface Ignored {
  readonly kind: 'ignored';
  readonly door: string;
  readonly source: AddressKey;
  /** Milliseconds from now. */
  readonly forMs: number;
}

/** A source has tried many ports. Forged packets can cause it for any source. */
export interface Scan {
  readonly kind: 'scan';
  readonly source: AddressKey;
  /** There have been enough of these in this minute: it is counted, and comes again while the source goes on. */
  readonly isHeldBack: boolean;
}

export type Effect = Admission | Refusal | StageReached | Contested | Ignored | Scan;
