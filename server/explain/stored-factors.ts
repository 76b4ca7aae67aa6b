/**
 * Reads the spent factors of a state directory, read-only and without a lock, because the daemon may be running.
 * `explain-capture.ts` relates them to the time of a capture.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { FactorState } from '../core/door.ts';
import { STATE_FILE } from '../store/state-file.ts';
import type { FactorOwner } from '../store/store.ts';

export type StoredFactor = FactorOwner & FactorState;

interface Row {
  readonly door: string;
  readonly client: string;
  readonly key_id: string;
  readonly spent: number;
  readonly drift: number;
  readonly last_use: number | null;
}

/** The factors, or a string that says why there are none. */
export function readStoredFactors(stateDir: string): readonly StoredFactor[] | string {
  const path = join(stateDir, STATE_FILE);
  try {
    if (!existsSync(path)) return `there is no state in ${stateDir}`;
    const database = new Database(path, { readonly: true, fileMustExist: true, timeout: 1_000 });
    try {
      const rows = database.prepare<[], Row>('SELECT door, client, key_id, spent, drift, last_use FROM factors').all();
      return rows.map(({ door, client, key_id: keyId, spent, drift, last_use: lastUse }) => ({
        ...{ door, client, keyId, spent, drift },
        ...(lastUse === null ? {} : { lastUse }),
      }));
    } finally {
      database.close();
    }
  } catch (error) {
    return `the state in ${stateDir} cannot be read: ${error instanceof Error ? error.message : String(error)}`;
  }
}
