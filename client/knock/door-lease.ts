/**
 * One of several runs at the same door knocks, the others wait for what comes of it: ten sessions that start at once
 * cost one factor. Only that: no factor is ever used twice whatever happens here, factor-ledger.ts sees to it. So where two
 * runs take one turn (a stolen one, a folder on two machines), a factor more is spent and nothing else.
 *
 * A turn is a file made with O_EXCL that holds a process id and the time at which its holder gives up anyway. A holder
 * that was killed leaves it behind; whoever finds no such process, or that time over, takes it away. Killed between
 * making and writing it, it leaves an empty one, which is nobody's when that is longer ago than writing takes.
 */
import { readFile, stat, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from '../../shared/files/system-error.ts';
import type { Clock, Owner } from '../deps.ts';
import { ensurePrivateFolder } from '../profiles/private-files.ts';

export interface DoorLeases {
  /**
   * Takes the turn if it is free. Undefined: somebody else has it.
   * @param untilMs Unix milliseconds at which the caller gives up whatever happens
   */
  take(untilMs: number): Promise<DoorLease | undefined>;
}

export interface DoorLease {
  release(): Promise<void>;
}

/** From making the file to writing a few words into it, on a machine that has much else to do. */
const WRITING_MS = 2000;

/** Of nobody in particular: where turns cannot be kept, everyone knocks for himself. */
const NO_LEASE: DoorLease = { release: async () => undefined };

/** @param folder of the profile's used factors */
export function doorLeases(folder: string, owner: Owner, clock: Clock): DoorLeases {
  const path = join(folder, 'turn');

  async function create(words: string): Promise<boolean> {
    try {
      await writeFile(path, words, { flag: 'wx', mode: 0o600 });
      return true;
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return false;
      throw error;
    }
  }

  return {
    take: async (untilMs) => {
      // Told apart from a holder of the same process id by the nanosecond: node:crypto would be loaded for this alone.
      const words = `${process.pid} ${Math.ceil(untilMs)} ${process.hrtime.bigint()}`;
      try {
        await ensurePrivateFolder(folder, owner);
        const isFree = await create(words);
        if (!isFree) {
          if (!(await isOver(path, clock.wallMs()))) return undefined;
          await unlink(path);
          if (!(await create(words))) return undefined;
          // Another thief may have read the same words before, and have taken this one away.
          if ((await readFile(path, 'utf8')) !== words) return undefined;
        }
      } catch (error) {
        // Gone between two looks: the next look finds it free.
        if (codeOf(error) === 'ENOENT') return undefined;
        return NO_LEASE;
      }
      return {
        release: async () => {
          const found = await readFile(path, 'utf8').catch(() => '');
          if (found === words) await unlink(path).catch(() => undefined);
        },
      };
    },
  };
}

async function isOver(path: string, wallMs: number): Promise<boolean> {
  const words = await readFile(path, 'utf8');
  if (words === '') return Math.abs(wallMs - (await stat(path)).mtimeMs) > WRITING_MS;
  const [, pid = '', untilMs = ''] = /^([1-9][0-9]{0,9}) ([0-9]{1,16}) /.exec(words) ?? [];
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
