/**
 * The engine's decisions, as data. The daemon carries effects out in their order and does not change them. All
 * addresses in them are bytes. No effect holds a secret or an unspent sequence.
 */
import type { AddressKey } from '../../shared/address.ts';
import type { FactorState } from './door.ts';
import type { RefusalReason } from './policy.ts';

/** What must be spent durably before an admission may open. */
export type Spend =
  | { readonly kind: 'factor'; readonly keyId: string; readonly factor: number; readonly state: FactorState }
  | { readonly kind: 'line'; readonly line: number }
  | { readonly kind: 'nothing' };

/** A completed sequence that policy accepted. It is already spent in memory. */
export interface Admission {
  readonly kind: 'admit';
  readonly door: string;
  /** Empty at listed doors, which cannot tell clients apart. */
  readonly client: string;
  readonly source: AddressKey;
  readonly spend: Spend;
  readonly strays: number;
}

/** A completed sequence that opens nothing. Logged at a bounded rate, because a replay can be repeated at will. */
export interface Refusal {
  readonly kind: 'refuse';
  readonly door: string;
  readonly client: string;
  readonly source: AddressKey;
  readonly reason: RefusalReason;
  /** For `contested`: the other source. */
  readonly other?: AddressKey;
  /**
   * Set if the sequence was still valid. An observer could knock it from another address, so it is spent in memory and
   * must be spent durably.
   */
  readonly spend?: Spend;
}

/** A source advanced on a written-down sequence. Any packet to its first port causes stage 1. */
export interface StageReached {
  readonly kind: 'stage';
  readonly door: string;
  readonly source: AddressKey;
  /** From 1 to the length of the sequence. */
  readonly stage: number;
}

/** A second source has knocked most of a sequence. Once for each sequence. */
export interface Contested {
  readonly kind: 'contested';
  readonly door: string;
  readonly client: string;
  /** The second source. */
  readonly source: AddressKey;
  readonly other: AddressKey;
  /** With `contested = refuse`: to be spent; it opens for no source. */
  readonly spend?: Spend;
  /** With `contested = refuse`: the source that the sequence admitted, and whose grant must be closed. */
  readonly closes?: AddressKey;
}

/** A source made a wrong combination at a door with penalties. Forged packets can cause this for any source. */
export interface Ignored {
  readonly kind: 'ignored';
  readonly door: string;
  readonly source: AddressKey;
  /** Milliseconds from now. */
  readonly forMs: number;
}

/** A source has tried many ports. Forged packets can cause this for any source. */
export interface Scan {
  readonly kind: 'scan';
  readonly source: AddressKey;
  /** True when this minute's reports are used up: the scan is only counted, and repeats while the source goes on. */
  readonly isHeldBack: boolean;
}

export type Effect = Admission | Refusal | StageReached | Contested | Ignored | Scan;
