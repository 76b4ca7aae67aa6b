/**
 * Files and folders that only their owner may read, and durable names in folders: modes, owners and fsync. On Windows
 * modes have no meaning; the access list of the user's profile folder protects the files there.
 */
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { KnockError } from '../../shared/errors.ts';
import { codeOf, storeError } from '../../shared/files/system-error.ts';
import type { Owner } from '../deps.ts';

/** No profile is larger; so a device or log file that is given by mistake is not read to its end. */
const MAX_FILE_BYTES = 64 * 1024;

/**
 * Reads a file that holds a secret. The mode is read from the open handle, so the checked file is the file that is
 * read; for a symbolic link, its target is checked.
 * @throws KnockError INSECURE_FILE when others can read or own it, PROFILE_INVALID when it is not a small regular file,
 * STORE when it cannot be read
 */
export async function readPrivateFile(path: string, owner: Owner): Promise<string> {
  // O_NONBLOCK: opening a FIFO in place of the file must not hang. Windows has no such flag.
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
 * Creates a folder of mode 0700, with its parents, so that it survives a power cut; checks a folder that exists.
 * @throws KnockError INSECURE_FILE when others could put files of their own into it, STORE when it cannot be created
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

/** Makes created and removed names of a folder survive a power cut. Windows has no such call and needs none. */
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

/** One by one, because the recursive call of Node 20 reports ENOENT on a read-only file system. */
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
  // Root may use any user's profile (sudo keeps HOME on some systems); other users only their own and root's.
  if (owner.uid !== undefined && owner.uid !== 0 && stat.uid !== owner.uid && stat.uid !== 0) {
    throw new KnockError('INSECURE_FILE', `${path} belongs to another user`, {
      hint: 'a profile belongs to the user who knocks with it',
    });
  }
}
