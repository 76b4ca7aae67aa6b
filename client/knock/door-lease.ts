/**
 * The lease of a door: of several runs of the client at one door, the run that holds the lease knocks and the others
 * wait for its result. Ten sessions that start at once so cost one factor. The lease only saves factors:
 * factor-ledger.ts makes sure that no factor is used twice. If two runs hold a lease (one was stolen, or the folder is
 * on two machines), one more factor is spent and nothing else happens.
 *
 * A lease is the file `turn`, created with O_EXCL. It holds a process id and the time at which its holder gives up. A
 * killed holder leaves the file behind; another run removes it when no such process exists or that time is over. A
 * holder that was killed between creating and writing the file leaves it empty; an empty file counts only for
 * WRITING_MS.
 */
import { readFile, stat, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from '../../shared/files/system-error.ts';
import type { Clock, Owner } from '../deps.ts';
import { ensurePrivateFolder } from '../profiles/private-files.ts';

export interface DoorLeases {
  /**
   * Takes the lease if it is free. Undefined: another run holds it.
   * @param untilMs Unix milliseconds at which the caller gives up at the latest
   */
  take(untilMs: number): Promise<DoorLease | undefined>;
}

export interface DoorLease {
  release(): Promise<void>;
}

/** Between creating the file and writing it, on a busy machine. */
const WRITING_MS = 2000;

/** Where leases cannot be saved, every run knocks. */
const NO_LEASE: DoorLease = { release: async () => undefined };

/** @param folder of the profile's used factors */
export function doorLeases(folder: string, owner: Owner, clock: Clock): DoorLeases {
  const path = join(folder, 'turn');

  async function create(content: string): Promise<boolean> {
    try {
      await writeFile(path, content, { flag: 'wx', mode: 0o600 });
      return true;
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return false;
      throw error;
    }
  }

  return {
    take: async (untilMs) => {
      // The nanoseconds distinguish holders with the same process id; random bytes would need node:crypto.
      const content = `${process.pid} ${Math.ceil(untilMs)} ${process.hrtime.bigint()}`;
      try {
        await ensurePrivateFolder(folder, owner);
        const isFree = await create(content);
        if (!isFree) {
          if (!(await isExpired(path, clock.wallMs()))) return undefined;
          await unlink(path);
          if (!(await create(content))) return undefined;
          // Another run may have read the same expired lease, and have removed this new one.
          if ((await readFile(path, 'utf8')) !== content) return undefined;
        }
      } catch (error) {
        // Released between two calls: the next try finds it free.
        if (codeOf(error) === 'ENOENT') return undefined;
        return NO_LEASE;
      }
      return {
        release: async () => {
          const found = await readFile(path, 'utf8').catch(() => '');
          if (found === content) await unlink(path).catch(() => undefined);
        },
      };
    },
  };
}

async function isExpired(path: string, wallMs: number): Promise<boolean> {
  const content = await readFile(path, 'utf8');
  if (content === '') return Math.abs(wallMs - (await stat(path)).mtimeMs) > WRITING_MS;
  const [, pid = '', untilMs = ''] = /^([1-9][0-9]{0,9}) ([0-9]{1,16}) /.exec(content) ?? [];
  return pid === '' || wallMs >= Number(untilMs) || !isAlive(Number(pid));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}
