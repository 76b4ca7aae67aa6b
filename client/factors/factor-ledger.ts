/**
 * Moving factors of one profile, reserved durably before a packet leaves, so that no crash, no second process and no
 * second terminal ever sends one twice. Which factor to ask for is retry-times.ts.
 *
 * A reservation is an empty file named by the factor, in a folder of the profile's own. No lock is held, so none can be
 * left behind by a killed process:
 *   1. create the file with O_EXCL: of several processes that want one factor, one gets it;
 *   2. fsync the file and the folder: after a power cut it is still taken;
 *   3. list the folder again and give the reservation up when a higher factor is there. This closes the one gap of
 *      step 1: between our first look and our create, another process may have reserved this factor, a third a higher
 *      one, and the clean-up of step 4 may have removed the file that would have stopped us. Whoever cleans up has made
 *      a higher file durable before, so it is there to be seen. The server wants rising factors anyway.
 *   4. remove all but the highest few. A few stay because POSIX lets a folder that changes while it is listed hide both
 *      the file that goes and the file that comes; only a whole row of reservations during one listing could do so here.
 */
import { open, readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, storeError } from '../../shared/files/system-error.ts';
import type { Owner } from '../deps.ts';
import { ensurePrivateFolder, syncFolder } from '../profiles/private-files.ts';

/** How many of the highest reservations stay on disk. */
const KEPT = 8;

export interface FactorLedger {
  /** The folder, for messages. */
  readonly folder: string;
  /** The highest factor ever reserved, -1 when none was. @throws KnockError STORE */
  last(): Promise<number>;
  /**
   * Takes a factor for ever. False: another process has it or a higher one; ask {@link last} and plan again.
   * @throws KnockError STORE when it cannot be made durable: then nothing may be sent
   */
  reserve(factor: number): Promise<boolean>;
}

export function factorLedger(folder: string, owner: Owner): FactorLedger {
  return {
    folder,
    last: async () => (await reservations(folder)).at(-1) ?? -1,
    reserve: async (factor) => {
      await ensurePrivateFolder(folder, owner);
      if (!(await createDurably(join(folder, `${factor}`)))) return false;
      await syncFolder(folder, owner);
      const taken = await reservations(folder);
      if (taken.at(-1) !== factor) return false;
      await Promise.all(taken.slice(0, -KEPT).map((lower) => removed(join(folder, `${lower}`))));
      return true;
    },
  };
}

/** Ascending. A folder that is not there yet holds none. */
async function reservations(folder: string): Promise<number[]> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw storeError(`cannot read the used factors in ${folder}`, error);
  }
  return names
    .filter((name) => /^[0-9]{1,16}$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}

async function createDurably(path: string): Promise<boolean> {
  try {
    const handle = await open(path, 'wx', 0o600);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw storeError(`cannot save that a factor is used, in ${path}`, error);
  }
}

/** Cleaning up is not worth failing for: a file that stays only takes a name. */
async function removed(path: string): Promise<void> {
  await unlink(path).catch(() => undefined);
}
