/**
 * A store in memory, for tests. It keeps the whole contract of a store except durability, and can be told to fail like a
 * full disk.
 */
import type { AddressKey } from '../../shared/address.ts';
import { KnockError } from '../../shared/errors.ts';
import type { FactorState } from '../core/door.ts';
import { checkGrant, checkSpend, checkWhole, factorUsed } from './spend-check.ts';
import type { FactorOwner, JournaledGrant, JournaledService, Store, StoredState } from './store.ts';

export class MemoryStore implements Store {
  readonly #factors = new Map<string, FactorOwner & FactorState>();
  readonly #grants = new Map<string, JournaledGrant>();
  readonly #services = new Map<string, JournaledService>();
  #clock = 0;
  #failure: KnockError | undefined;
  #closed = false;

  /** From now on every change rejects with `failure`; undefined ends that. */
  failWith(failure: KnockError | undefined): void {
    this.#failure = failure;
  }

  async load(): Promise<StoredState> {
    this.#checkOpen();
    return {
      factors: [...this.#factors.values()],
      grants: [...this.#grants.values()],
      services: [...this.#services.values()],
      clockHighWater: this.#clock,
    };
  }

  async spend(owner: FactorOwner, factor: FactorState, grant?: Omit<JournaledGrant, 'confirmed'>): Promise<void> {
    checkSpend(factor, grant);
    this.#checkWritable();
    const { door, client, keyId } = owner;
    const key = [door, client, keyId].join('\0');
    if (factor.spent <= (this.#factors.get(key)?.spent ?? -1)) throw factorUsed(owner);
    this.#factors.set(key, { ...factor, door, client, keyId });
    if (grant !== undefined) this.#grants.set(grantKey(grant.door, grant.source), { ...grant, confirmed: false });
  }

  async journal(grant: Omit<JournaledGrant, 'confirmed'>): Promise<void> {
    checkGrant(grant);
    this.#checkWritable();
    this.#grants.set(grantKey(grant.door, grant.source), { ...grant, confirmed: false });
  }

  async confirmOpen(door: string, source: AddressKey): Promise<void> {
    this.#checkWritable();
    const grant = this.#grants.get(grantKey(door, source));
    if (grant !== undefined) this.#grants.set(grantKey(door, source), { ...grant, confirmed: true });
  }

  async closeGrant(door: string, source: AddressKey): Promise<void> {
    this.#checkWritable();
    this.#grants.delete(grantKey(door, source));
  }

  async noteService(service: JournaledService): Promise<void> {
    this.#checkWritable();
    this.#services.set(`${service.door}\0${service.stop}`, service);
  }

  async forgetService(door: string, stop: string): Promise<void> {
    this.#checkWritable();
    this.#services.delete(`${door}\0${stop}`);
  }

  async noteClock(wallMs: number): Promise<void> {
    checkWhole(wallMs);
    this.#checkWritable();
    this.#clock = Math.max(this.#clock, wallMs);
  }

  async acceptClock(wallMs: number): Promise<void> {
    checkWhole(wallMs);
    this.#checkWritable();
    this.#clock = wallMs;
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #checkOpen(): void {
    if (this.#closed) throw new KnockError('STORE', 'the store is closed');
  }

  #checkWritable(): void {
    this.#checkOpen();
    if (this.#failure !== undefined) throw this.#failure;
  }
}

function grantKey(door: string, source: AddressKey): string {
  return `${door}\0${source}`;
}
