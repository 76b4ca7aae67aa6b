/**
 * Opens the state files: the directory, the database and the lock of the one daemon that may use them. Decides whether they
 * may be used at all; `sqlite-store.ts` reads and writes the tables.
 *
 * An older or an empty database would make spent sequences valid again. So an existing database is never replaced by a new
 * one. A database that is damaged, empty, of a later version, writable by others, or missing while its write-ahead log
 * exists is refused, and an administrator must decide.
 */
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { KnockError } from '../../shared/errors.ts';

export type Sqlite = Database.Database;

export const STATE_FILE = 'state.db';
const LOCK_FILE = 'state.lock';

/** `KNOT`: identifies a database of knock-otp (PRAGMA application_id). */
const APPLICATION_ID = 0x4b4e4f54;
const SCHEMA_VERSION = 1;

/** Longest wait for another process that reads or checkpoints; it blocks the event loop. */
const BUSY_MS = 200;

const SCHEMA = `
  CREATE TABLE factors (
    door TEXT NOT NULL, client TEXT NOT NULL, key_id TEXT NOT NULL,
    spent INTEGER NOT NULL CHECK (spent >= 0), drift REAL NOT NULL, last_use INTEGER,
    PRIMARY KEY (door, client, key_id)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE grants (
    door TEXT NOT NULL, source BLOB NOT NULL CHECK (length(source) IN (4, 16)), client TEXT NOT NULL,
    opened_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, confirmed INTEGER NOT NULL CHECK (confirmed IN (0, 1)),
    PRIMARY KEY (door, source)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE clock (id INTEGER PRIMARY KEY CHECK (id = 1), high_water INTEGER NOT NULL) STRICT;
  INSERT INTO clock VALUES (1, 0);
`;

/** Added later, and created when missing: earlier versions of the schema are not affected. */
const SERVICES = `
  CREATE TABLE IF NOT EXISTS services (
    door TEXT NOT NULL, stop TEXT NOT NULL, terms TEXT NOT NULL, started_at INTEGER NOT NULL, idle_since INTEGER,
    seen INTEGER NOT NULL CHECK (seen IN (0, 1)), stopping INTEGER NOT NULL CHECK (stopping IN (0, 1)),
    boot TEXT NOT NULL,
    PRIMARY KEY (door, stop)
  ) STRICT, WITHOUT ROWID;
`;

/**
 * Locks the directory until this process closes the lock or ends, by any signal. It uses SQLite's exclusive lock, a lock of
 * the kernel, because Node has no flock. Never open the lock file in another way: POSIX drops a process's locks on a file
 * when it closes any descriptor of it.
 * @throws KnockError STATE_REFUSED when another daemon holds the lock, STORE when locking fails
 */
export function lockState(directory: string): Sqlite {
  prepareDirectory(directory);
  const path = join(directory, LOCK_FILE);
  let lock: Sqlite | undefined;
  try {
    lock = openPrivately(path, 0);
    lock.pragma('journal_mode = MEMORY');
    lock.exec('BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock?.close();
    if (sqliteCode(error).startsWith('SQLITE_BUSY')) {
      throw new KnockError('STATE_REFUSED', `state directory ${directory} is in use by another knock-otpd`, {
        hint: 'one state directory serves one daemon; see knock-otpd status',
        cause: error,
      });
    }
    throw storeError(path, 'cannot be locked', error);
  }
}

/**
 * Opens the database, or creates it if there has never been one. Call it only with the lock held.
 * @throws KnockError STATE_REFUSED when it exists but must not be used, STORE when it cannot be read or created
 */
export function openState(directory: string): Sqlite {
  const path = join(directory, STATE_FILE);
  if (!existsSync(path)) createState(directory, path);
  let database: Sqlite | undefined;
  try {
    refuseForeign(path);
    database = openPrivately(path, BUSY_MS);
    checkIdentity(database, path);
    // In WAL mode only FULL makes a commit wait for the disk.
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL');
    const found = database.pragma('quick_check(1)', { simple: true });
    if (found !== 'ok') throw refused(path, `is damaged (${String(found).slice(0, 120)})`);
    database.exec(SERVICES);
    return database;
  } catch (error) {
    database?.close();
    if (error instanceof KnockError) throw error;
    if (/^SQLITE_(CORRUPT|NOTADB)/.test(sqliteCode(error))) throw refused(path, 'is damaged', error);
    throw storeError(path, 'cannot be opened', error);
  }
}

/** Whether the error means that another daemon uses this state directory. */
export function isHeldByOther(error: unknown): boolean {
  return (
    error instanceof KnockError && error.code === 'STATE_REFUSED' && sqliteCode(error.cause).startsWith('SQLITE_BUSY')
  );
}

/** The error for a disk that fails. */
export function storeError(path: string, what: string, cause: unknown): KnockError {
  const why = cause instanceof Error ? `: ${cause.message}` : '';
  return new KnockError('STORE', `${path} ${what}${why}`, {
    hint: 'the door stays shut until the state directory can be written again',
    cause,
  });
}

function sqliteCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

function refused(path: string, what: string, cause?: unknown): KnockError {
  return new KnockError('STATE_REFUSED', `${path} ${what}`, {
    hint: 'the door stays shut until it is repaired, or moved away and every client enrolled again',
    ...(cause === undefined ? {} : { cause }),
  });
}

function prepareDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    refuseForeign(realpathSync(directory));
    const { mode } = statSync(directory);
    if ((mode & 0o077) !== 0) chmodSync(directory, 0o700);
  } catch (error) {
    throw error instanceof KnockError ? error : storeError(directory, 'cannot be used', error);
  }
}

/** Refuses a path that others can write or own, and a symbolic link, because its content would not be trustworthy. */
function refuseForeign(path: string): void {
  const { mode, uid } = lstatSync(path);
  const us = process.geteuid?.() ?? uid;
  const fault =
    (mode & 0o170000) === 0o120000
      ? 'is a symbolic link'
      : (mode & 0o022) !== 0
        ? 'can be written by others'
        : uid !== us && uid !== 0
          ? `belongs to user ${uid}`
          : undefined;
  if (fault !== undefined) throw refused(path, fault);
}

/** Opens with mode 0600. SQLite gives its -wal and -shm files the mode of the database. */
function openPrivately(path: string, timeout: number): Sqlite {
  closeSync(openSync(path, 'a', 0o600));
  if ((lstatSync(path).mode & 0o077) !== 0) chmodSync(path, 0o600);
  return new Database(path, { timeout });
}

/** Creates the database under another name and renames it. So a file under the final name is complete, or damaged. */
function createState(directory: string, path: string): void {
  if (existsSync(`${path}-wal`)) throw refused(path, 'is missing, but its write-ahead log exists');
  const fresh = `${path}.new`;
  try {
    for (const leftover of [fresh, `${fresh}-journal`]) rmSync(leftover, { force: true });
    const database = openPrivately(fresh, BUSY_MS);
    try {
      database.pragma('synchronous = FULL');
      database.transaction(() => {
        database.exec(SCHEMA);
        database.pragma(`application_id = ${APPLICATION_ID}`);
        database.pragma(`user_version = ${SCHEMA_VERSION}`);
      })();
    } finally {
      database.close();
    }
    renameSync(fresh, path);
    const entry = openSync(directory, 'r');
    fsyncSync(entry);
    closeSync(entry);
  } catch (error) {
    throw storeError(path, 'cannot be created', error);
  }
}

function checkIdentity(database: Sqlite, path: string): void {
  if (database.pragma('application_id', { simple: true }) !== APPLICATION_ID) {
    throw refused(path, 'is not a state of knock-otpd, or damaged');
  }
  const version = database.pragma('user_version', { simple: true });
  if (version === SCHEMA_VERSION) return;
  throw new KnockError('STATE_REFUSED', `${path} has version ${String(version)}, not ${SCHEMA_VERSION}`, {
    hint: 'another version of knock-otpd wrote it: use that version',
  });
}
