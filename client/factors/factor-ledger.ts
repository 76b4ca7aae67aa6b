/**
 * The moving factors that a profile has used. A factor is reserved durably before a packet leaves, so no crash, second
 * process or second terminal ever sends one twice. factor-plan.ts decides which factor to reserve.
 *
 * A reservation is an empty file named by the factor, in a folder of the profile. No lock is held, so a killed process
 * leaves none behind:
 *   1. create the file with O_EXCL: of several processes that want one factor, one gets it;
 *   2. fsync the file and the folder: after a power cut the factor is still reserved;
 *   3. list the folder again and give the reservation up when a higher factor is there. This closes the one gap of step
 *      1: between the first listing and the create, another process may have reserved this factor, a third one a higher
 *      factor, and the clean-up of step 4 may have removed the file that would have stopped this process. A process
 *      that cleans up has made a higher file durable before, so that file is in the list. The server wants rising
 *      factors anyway.
 *   4. remove all but the highest few. A few stay because POSIX allows a listing of a changing folder to miss both the
 *      file that is removed and the file that is created; only a whole row of reservations during one listing could do
 *      harm here.
 */
import { open, readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, storeError } from '../../shared/files/system-error.ts';
import type { Owner } from '../deps.ts';
import { ensurePrivateFolder, syncFolder } from '../profiles/private-files.ts';

/** How many of the highest reservations stay on disk. */
const RESERVATIONS_ON_DISK = 8;

export interface FactorLedger {
  /** The folder, for messages. */
  readonly folder: string;
  /** The highest factor ever reserved, -1 when none was. @throws KnockError STORE */
  last(): Promise<number>;
  /**
   * Reserves a factor for ever. False: another process has it or a higher one; call {@link last} and plan again.
   * @throws KnockError STORE when it cannot be made durable: then no packet may be sent
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
      await Promise.all(taken.slice(0, -RESERVATIONS_ON_DISK).map((lower) => remove(join(folder, `${lower}`))));
      return true;
    },
  };
}

/** In ascending order; none when the folder does not exist yet. */
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

/** Ignores errors: a file that stays does no harm. */
async function remove(path: string): Promise<void> {
  await unlink(path).catch(() => undefined);
}
