/**
 * Files and folders that only their owner may read, and durable names in folders. Knows modes, owners and fsync; what
 * is in the files is others' business. On Windows modes mean nothing: the profile folder's access list protects there.
 */
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { KnockError } from '../../shared/errors.ts';
import { codeOf, storeError } from '../../shared/files/system-error.ts';
import type { Owner } from '../deps.ts';

/** No profile is larger; a mistaken device or log file is not read to its end. */
const MAX_FILE_BYTES = 64 * 1024;

/**
 * Reads a file that holds a secret. The mode is asked of the open handle, so that the file that was checked is the file
 * that is read; a symbolic link is judged by what it points at.
 * @throws KnockError INSECURE_FILE when others can read or own it, PROFILE_INVALID when it is not a small regular file,
 * STORE when it cannot be read
 */
export async function readPrivateFile(path: string, owner: Owner): Promise<string> {
  // O_NONBLOCK: opening a FIFO that stands in for the file must not hang. Absent on Windows.
  const handle = await opened(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const stat = await handle.stat();
    if (!stat.isFile() || stat.size > MAX_FILE_BYTES) {
      throw new KnockError('PROFILE_INVALID', `${path} is not a small regular file`);
    }
    refuseForeign(path, stat, owner, 0o077, 'chmod 600');
    return await handle.readFile('utf8');
  } finally {
    await handle.close();
  }
}

/**
 * Makes a folder of mode 0700, with its parents, so that it survives a power cut; one that is there is checked.
 * @throws KnockError INSECURE_FILE when others could put files of their own into it, STORE when it cannot be made
 */
export async function ensurePrivateFolder(path: string, owner: Owner): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
    await syncFolder(dirname(path), owner);
    return;
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT' && dirname(path) !== path) {
      await ensureParents(dirname(path), owner);
      return ensurePrivateFolder(path, owner);
    }
    if (code !== 'EEXIST') throw storeError(`cannot make the folder ${path}`, error);
  }
  await checkPrivateFolder(path, owner);
}

/** @throws KnockError INSECURE_FILE when others could put files of their own into it, STORE when it is no folder */
export async function checkPrivateFolder(path: string, owner: Owner): Promise<void> {
  if (owner.platform === 'win32') return;
  const handle = await opened(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    refuseForeign(path, await handle.stat(), owner, 0o022, 'chmod 700');
  } finally {
    await handle.close();
  }
}

/** Makes names that were created or removed in a folder survive a power cut. Windows has no such call, and no need. */
export async function syncFolder(path: string, owner: Owner): Promise<void> {
  if (owner.platform === 'win32') return;
  const handle = await opened(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } catch (error) {
    throw storeError(`cannot make ${path} durable`, error);
  } finally {
    await handle.close();
  }
}

/** One by one: the recursive call of Node 20 says ENOENT where the file system is read-only. */
async function ensureParents(path: string, owner: Owner): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    const code = codeOf(error);
    if (code === 'EEXIST') return;
    if (code !== 'ENOENT' || dirname(path) === path) throw storeError(`cannot make the folder ${path}`, error);
    await ensureParents(dirname(path), owner);
    return ensureParents(path, owner);
  }
  await syncFolder(dirname(path), owner);
}

async function opened(path: string, flags: number): Promise<FileHandle> {
  try {
    return await open(path, flags);
  } catch (error) {
    throw storeError(`cannot read ${path}`, error);
  }
}

function refuseForeign(
  path: string,
  stat: { readonly mode: number; readonly uid: number },
  owner: Owner,
  forbidden: number,
  remedy: string,
): void {
  if (owner.platform === 'win32') return;
  if ((stat.mode & forbidden) !== 0) {
    const mode = (stat.mode & 0o777).toString(8).padStart(4, '0');
    const verb = forbidden === 0o022 ? 'written' : 'read';
    throw new KnockError('INSECURE_FILE', `${path} can be ${verb} by others (mode ${mode})`, {
      hint: `${remedy} '${path}', and ask for a new profile if somebody may have read it`,
    });
  }
  // Root may use anyone's profile (sudo keeps HOME on some systems); everyone else only their own and root's.
  if (owner.uid !== undefined && owner.uid !== 0 && stat.uid !== owner.uid && stat.uid !== 0) {
    throw new KnockError('INSECURE_FILE', `${path} belongs to another user`, {
      hint: 'a profile belongs to the user who knocks with it',
    });
  }
}
