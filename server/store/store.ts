/**
 * The store edge: what must survive a crash. Each verb that changes something resolves only when the change is durable,
 * and rejects with KnockError STORE when it is not: then nothing may be opened. Verbs are asynchronous because a cluster
 * of bastions will keep this elsewhere than on a local disk.
 */
import type { AddressKey } from '../../shared/address.ts';
import type { FactorState } from '../core/door.ts';

/** Which factors: the client's, at one door, under one secret. */
export interface FactorOwner {
  readonly door: string;
  readonly client: string;
  readonly keyId: string;
}

export interface JournaledGrant {
  readonly door: string;
  readonly source: AddressKey;
  readonly client: string;
  /** Unix milliseconds. */
  readonly openedAt: number;
  readonly expiresAt: number;
  /** False from the journal entry until the backend said that it opened. */
  readonly confirmed: boolean;
}

/** A service that a knock has started, or is about to start, and that is to be stopped. */
export interface JournaledService {
  readonly door: string;
  /** With the door: which service. */
  readonly stop: string;
  /** All that is needed to stop it, as server/demand writes it. */
  readonly terms: string;
  /** Unix milliseconds. */
  readonly startedAt: number;
  /** Unix milliseconds since when it is idle; absent while it is busy. */
  readonly idleSince?: number;
  /** Whether it has been seen to listen. */
  readonly seen: boolean;
  /** The stop command may be running, or have run. */
  readonly stopping: boolean;
  /** Names the start of the machine that it was started in; empty where that is not known. */
  readonly boot: string;
}

export interface StoredState {
  readonly factors: readonly (FactorOwner & FactorState)[];
  /** At most one for each (door, source). */
  readonly grants: readonly JournaledGrant[];
  /** At most one for each (door, stop). */
  readonly services: readonly JournaledService[];
  /** The latest Unix millisecond that the store has seen; 0 when new. */
  readonly clockHighWater: number;
}

export interface Store {
  load(): Promise<StoredState>;
  /**
   * One durable transaction: the factor state of `owner` (its `spent` never goes down; a lower one rejects), and the
   * grant, unconfirmed, replacing the one of the same door and source. Without a grant only the factor is spent.
   */
  spend(owner: FactorOwner, factor: FactorState, grant?: Omit<JournaledGrant, 'confirmed'>): Promise<void>;
  /** Journals a grant, unconfirmed, in place of the one of the same door and source: for doors that spend elsewhere. */
  journal(grant: Omit<JournaledGrant, 'confirmed'>): Promise<void>;
  confirmOpen(door: string, source: AddressKey): Promise<void>;
  /** Forgets the grant: the close has been done. */
  closeGrant(door: string, source: AddressKey): Promise<void>;
  /** Journals a service, in place of the one of the same door and stop command. */
  noteService(service: JournaledService): Promise<void>;
  /** Forgets a service: it has been stopped. */
  forgetService(door: string, stop: string): Promise<void>;
  /** Remembers that it has been this late. Never goes down. */
  noteClock(wallMs: number): Promise<void>;
  /** Sets the clock high-water mark to `wallMs` even when that is lower: the administrator says that the clock is right. */
  acceptClock(wallMs: number): Promise<void>;
  close(): Promise<void>;
}
