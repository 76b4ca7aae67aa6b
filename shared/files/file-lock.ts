/**
 * A lock of the kernel on an open file, held until the handle is closed or the process ends, by whatever signal: nothing
 * is left behind that somebody would have to judge stale. Knows how each system gives one, since Node has no flock(2).
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { FileHandle } from 'node:fs/promises';
import { KnockError } from '../errors.ts';

/** Where flock(1) is looked up, whoever started us: a PATH that somebody else chose is a way to run his code. */
const PROGRAM_PATH = '/usr/local/bin:/usr/bin:/bin:/run/current-system/sw/bin';

/** What flock(1) ends with when somebody else has the lock; util-linux and busybox alike. */
const TAKEN = 1;

/** O_EXLOCK of open(2) on macOS and the BSDs: the handle comes with flock(2) done. Node has no name for it. */
const O_EXLOCK = 0x20;
const WITH_O_EXLOCK: readonly NodeJS.Platform[] = ['darwin', 'freebsd', 'openbsd', 'netbsd'];

/** Bits to open a file with that is to be locked. Where they lock already, a file that is taken gives EAGAIN. */
export const LOCK_FLAGS = WITH_O_EXLOCK.includes(process.platform) ? O_EXLOCK : 0;

/**
 * Locks the file of a handle that was opened for writing with {@link LOCK_FLAGS}. False when somebody else has it.
 *
 * On Linux flock(1) does it on a descriptor that it inherits: the lock belongs to the open file, not to the process that
 * asked, and so stays with the handle when the program has ended.
 * @throws KnockError STORE when this system gives no locks, or the handle is closed
 */
export async function lockHandle(handle: FileHandle): Promise<boolean> {
  if (LOCK_FLAGS !== 0) return true;
  if (process.platform !== 'linux') throw new KnockError('STORE', `files cannot be locked on ${process.platform}`);
  // Without a file of ours the program would lock whatever else it finds there, and say yes.
  if (handle.fd < 0) throw new KnockError('STORE', 'a file that was closed cannot be locked');
  let code: number | null;
  try {
    const child = spawn('flock', ['-n', '-x', '3'], {
      stdio: ['ignore', 'ignore', 'ignore', handle.fd],
      env: { PATH: PROGRAM_PATH },
    });
    [code] = (await once(child, 'exit')) as [number | null];
  } catch (cause) {
    throw new KnockError('STORE', 'the program flock cannot be run', { hint: 'install util-linux', cause });
  }
  if (code === 0) return true;
  if (code === TAKEN) return false;
  throw new KnockError('STORE', `the program flock ended with ${code}`, { hint: 'does this file system have locks?' });
}
