/**
 * Locks an open file with a lock of the kernel. It is held until the handle is closed or the process ends, by any
 * signal, so no stale lock can remain. Node has no flock(2), so each system has its own way here.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { FileHandle } from 'node:fs/promises';
import { KnockError } from '../errors.ts';

/** The PATH for flock(1), instead of the environment's: a PATH that an attacker chose would run the attacker's code. */
const PROGRAM_PATH = '/usr/local/bin:/usr/bin:/bin:/run/current-system/sw/bin';

/** Exit status of flock(1) when another process has the lock, in util-linux and busybox. */
const TAKEN = 1;

/** O_EXLOCK of open(2) on macOS and the BSDs: opening also locks, as flock(2) does. Node has no name for it. */
const O_EXLOCK = 0x20;
const WITH_O_EXLOCK: readonly NodeJS.Platform[] = ['darwin', 'freebsd', 'openbsd', 'netbsd'];

/** Bits of open(2) for a file to be locked. On systems where they lock, a locked file gives EAGAIN. */
export const LOCK_FLAGS = WITH_O_EXLOCK.includes(process.platform) ? O_EXLOCK : 0;

/**
 * Locks the file of a handle that was opened for writing with {@link LOCK_FLAGS}. False when another process has the
 * lock.
 *
 * On Linux flock(1) locks a descriptor that it inherits. The lock belongs to the open file, not to the process, so the
 * handle keeps it after the program has ended.
 * @throws KnockError STORE when this system gives no locks, or the handle is closed
 */
export async function lockHandle(handle: FileHandle): Promise<boolean> {
  if (LOCK_FLAGS !== 0) return true;
  if (process.platform !== 'linux') throw new KnockError('STORE', `files cannot be locked on ${process.platform}`);
  // With a closed handle flock(1) would lock another file at that descriptor, and succeed.
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
