/**
 * The store on a local disk: SQLite with a write-ahead log. Each promise resolves after its commit is on the disk. This file
 * has the statements; `state-file.ts` opens and checks the files.
 *
 * A method that fails changes nothing, and the store stays usable: when the disk has room again, the next call succeeds.
 * SQLite's calls are synchronous and take a fraction of a millisecond on a healthy disk.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { type AddressKey, addressBytes, addressKeyOfBytes } from '../../shared/address.ts';
import { KnockError } from '../../shared/errors.ts';
import type { FactorState } from '../core/door.ts';
import { checkGrant, checkSpend, checkWhole, factorUsed } from './spend-check.ts';
import { lockState, openState, type Sqlite, STATE_FILE, storeError } from './state-file.ts';
import type { FactorOwner, JournaledGrant, JournaledService, Store, StoredState } from './store.ts';

interface FactorRow {
  readonly door: string;
  readonly client: string;
  readonly key_id: string;
  readonly spent: number;
  readonly drift: number;
  readonly last_use: number | null;
}

interface GrantRow {
  readonly door: string;
  readonly source: Uint8Array;
  readonly client: string;
  readonly opened_at: number;
  readonly expires_at: number;
  readonly confirmed: number;
}

interface ServiceRow {
  readonly door: string;
  readonly stop: string;
  readonly terms: string;
  readonly started_at: number;
  readonly idle_since: number | null;
  readonly seen: number;
  readonly stopping: number;
  readonly boot: string;
}

/** The statement itself compares, so a lower or equal factor never changes a row, whatever the caller assumes. */
const SPEND = `
  INSERT INTO factors (door, client, key_id, spent, drift, last_use)
  VALUES (@door, @client, @keyId, @spent, @drift, @lastUse)
  ON CONFLICT (door, client, key_id)
  DO UPDATE SET spent = excluded.spent, drift = excluded.drift, last_use = excluded.last_use
  WHERE excluded.spent > factors.spent`;
const JOURNAL = `
  INSERT OR REPLACE INTO grants (door, source, client, opened_at, expires_at, confirmed)
  VALUES (@door, @source, @client, @openedAt, @expiresAt, 0)`;
const CONFIRM = 'UPDATE grants SET confirmed = 1 WHERE door = ? AND source = ?';
const FORGET = 'DELETE FROM grants WHERE door = ? AND source = ?';
const NOTE_SERVICE = `
  INSERT OR REPLACE INTO services (door, stop, terms, started_at, idle_since, seen, stopping, boot)
  VALUES (@door, @stop, @terms, @startedAt, @idleSince, @seen, @stopping, @boot)`;
const FORGET_SERVICE = 'DELETE FROM services WHERE door = ? AND stop = ?';
const NOTE_CLOCK = 'UPDATE clock SET high_water = max(high_water, ?)';
const ACCEPT_CLOCK = 'UPDATE clock SET high_water = ?';

/**
 * Opens the state in `directory` for this process alone. Creates a missing directory with mode 0700 and file with 0600.
 * @throws KnockError STATE_REFUSED when it is in use, damaged, of another version or writable by others; STORE when the
 * disk fails
 */
export function openSqliteStore(directory: string): SqliteStore {
  const lock = lockState(directory);
  try {
    return new SqliteStore(join(directory, STATE_FILE), openState(directory), lock);
  } catch (error) {
    lock.close();
    throw error;
  }
}

export class SqliteStore implements Store {
  readonly #path: string;
  readonly #inode: number;
  readonly #database: Sqlite;
  readonly #lock: Sqlite;
  /** Compiled once, because knocks wait for them. */
  readonly #writes: ReturnType<typeof prepareWrites>;

  /** Use {@link openSqliteStore}, which checks `database` and holds `lock`. */
  constructor(path: string, database: Sqlite, lock: Sqlite) {
    this.#path = path;
    this.#inode = statSync(path).ino;
    this.#database = database;
    this.#lock = lock;
    this.#writes = prepareWrites(database);
  }

  async load(): Promise<StoredState> {
    const database = this.#database;
    return this.#guarded('cannot be read', () =>
      database.transaction(() => ({
        factors: database.prepare<[], FactorRow>('SELECT * FROM factors').all().map(factorOf),
        grants: database.prepare<[], GrantRow>('SELECT * FROM grants').all().map(grantOf),
        services: database.prepare<[], ServiceRow>('SELECT * FROM services').all().map(serviceOf),
        clockHighWater:
          database.prepare<[], { high_water: number }>('SELECT high_water FROM clock').get()?.high_water ?? 0,
      }))(),
    );
  }

  async spend(owner: FactorOwner, factor: FactorState, grant?: Omit<JournaledGrant, 'confirmed'>): Promise<void> {
    checkSpend(factor, grant);
    this.#change(({ spend, journal }) => {
      const { spent, drift, lastUse = null } = factor;
      const { door, client, keyId } = owner;
      const { changes } = spend.run({ door, client, keyId, spent, drift, lastUse });
      if (changes !== 1) throw factorUsed(owner);
      if (grant !== undefined) journal.run({ ...grant, source: blob(grant.source) });
    });
  }

  async journal(grant: Omit<JournaledGrant, 'confirmed'>): Promise<void> {
    checkGrant(grant);
    this.#change(({ journal }) => journal.run({ ...grant, source: blob(grant.source) }));
  }

  async confirmOpen(door: string, source: AddressKey): Promise<void> {
    this.#change(({ confirm }) => confirm.run(door, blob(source)));
  }

  async closeGrant(door: string, source: AddressKey): Promise<void> {
    this.#change(({ forget }) => forget.run(door, blob(source)));
  }

  async noteService(service: JournaledService): Promise<void> {
    const { startedAt, idleSince, seen, stopping } = service;
    [startedAt, ...(idleSince === undefined ? [] : [idleSince])].forEach(checkWhole);
    const row = { ...service, idleSince: idleSince ?? null, seen: Number(seen), stopping: Number(stopping) };
    this.#change(({ noteService }) => noteService.run(row));
  }

  async forgetService(door: string, stop: string): Promise<void> {
    this.#change(({ forgetService }) => forgetService.run(door, stop));
  }

  async noteClock(wallMs: number): Promise<void> {
    checkWhole(wallMs);
    this.#change(({ noteClock }) => noteClock.run(wallMs));
  }

  async acceptClock(wallMs: number): Promise<void> {
    checkWhole(wallMs);
    this.#change(({ acceptClock }) => acceptClock.run(wallMs));
  }

  async close(): Promise<void> {
    // Close the lock last, because closing the database writes a final checkpoint.
    this.#database.close();
    this.#lock.close();
  }

  #change(work: (writes: ReturnType<typeof prepareWrites>) => void): void {
    this.#guarded('cannot be written', () => {
      // After the file was moved or removed, writes to it would be lost at the next start.
      if (statSync(this.#path).ino !== this.#inode) throw new Error('it was replaced by another file');
      this.#database.transaction(() => work(this.#writes)).immediate();
    });
  }

  #guarded<T>(what: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw error instanceof KnockError ? error : storeError(this.#path, what, error);
    }
  }
}

function prepareWrites(database: Sqlite) {
  return {
    spend: database.prepare(SPEND),
    journal: database.prepare(JOURNAL),
    confirm: database.prepare(CONFIRM),
    forget: database.prepare(FORGET),
    noteService: database.prepare(NOTE_SERVICE),
    forgetService: database.prepare(FORGET_SERVICE),
    noteClock: database.prepare(NOTE_CLOCK),
    acceptClock: database.prepare(ACCEPT_CLOCK),
  };
}

function blob(source: AddressKey): Buffer {
  return Buffer.from(addressBytes(source));
}

function factorOf({
  door,
  client,
  key_id: keyId,
  spent,
  drift,
  last_use: lastUse,
}: FactorRow): FactorOwner & FactorState {
  return { door, client, keyId, spent, drift, ...(lastUse === null ? {} : { lastUse }) };
}

function serviceOf(row: ServiceRow): JournaledService {
  return {
    door: row.door,
    stop: row.stop,
    terms: row.terms,
    startedAt: row.started_at,
    ...(row.idle_since === null ? {} : { idleSince: row.idle_since }),
    seen: row.seen === 1,
    stopping: row.stopping === 1,
    boot: row.boot,
  };
}

function grantOf(row: GrantRow): JournaledGrant {
  return {
    door: row.door,
    source: addressKeyOfBytes(row.source),
    client: row.client,
    openedAt: row.opened_at,
    expiresAt: row.expires_at,
    confirmed: row.confirmed === 1,
  };
}
