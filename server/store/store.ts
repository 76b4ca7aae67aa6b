/**
 * The Store interface: the state that must survive a crash. Each change resolves only when it is durable. If it is not, it
 * rejects with KnockError STORE, and nothing may be opened. The methods are asynchronous because a cluster of bastions will
 * store this elsewhere than on a local disk.
 */
import type { AddressKey } from '../../shared/address.ts';
import type { FactorState } from '../core/door.ts';

/** The owner of factors: a client at one door, with one secret. */
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
  /** False from the journal entry until the firewall or command has confirmed the opening. */
  readonly confirmed: boolean;
}

/** A service that a knock has started, or is about to start, and that must be stopped later. */
export interface JournaledService {
  readonly door: string;
  /** Identifies the service, together with the door. */
  readonly stop: string;
  /** All data needed to stop it, as server/demand writes it. */
  readonly terms: string;
  /** Unix milliseconds. */
  readonly startedAt: number;
  /** Start of its idle time in Unix milliseconds; absent while it is busy. */
  readonly idleSince?: number;
  /** Whether it has been seen listening. */
  readonly seen: boolean;
  /** Whether the stop command may be running or have run. */
  readonly stopping: boolean;
  /** Id of the machine's boot in which it was started; empty when unknown. */
  readonly boot: string;
}

export interface StoredState {
  readonly factors: readonly (FactorOwner & FactorState)[];
  /** At most one for each (door, source). */
  readonly grants: readonly JournaledGrant[];
  /** At most one for each (door, stop). */
  readonly services: readonly JournaledService[];
  /** The latest time that the store has seen, in Unix milliseconds; 0 when new. */
  readonly clockHighWater: number;
}

export interface Store {
  load(): Promise<StoredState>;
  /**
   * Spends in one durable transaction: sets the factor state of `owner` (rejects unless `spent` goes up), and journals the
   * grant, unconfirmed, replacing that of the same door and source. Without a grant only the factor is spent.
   */
  spend(owner: FactorOwner, factor: FactorState, grant?: Omit<JournaledGrant, 'confirmed'>): Promise<void>;
  /** Journals a grant, unconfirmed, replacing that of the same door and source: for doors that spend elsewhere. */
  journal(grant: Omit<JournaledGrant, 'confirmed'>): Promise<void>;
  confirmOpen(door: string, source: AddressKey): Promise<void>;
  /** Removes the grant after its close. */
  closeGrant(door: string, source: AddressKey): Promise<void>;
  /** Journals a service, replacing that of the same door and stop command. */
  noteService(service: JournaledService): Promise<void>;
  /** Removes a service after it has been stopped. */
  forgetService(door: string, stop: string): Promise<void>;
  /** Raises the clock high-water mark to `wallMs`; never lowers it. */
  noteClock(wallMs: number): Promise<void>;
  /** Sets the clock high-water mark to `wallMs`, even to a lower time: the administrator confirmed the clock. */
  acceptClock(wallMs: number): Promise<void>;
  close(): Promise<void>;
}
