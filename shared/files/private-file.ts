/**
 * Opens files that only their owner may read or change, and checks the folders that hold them. Each is opened once and
 * checked by the open handle, so that it cannot be replaced in between. On Windows modes and owners mean nothing; the
 * folder's access list protects there.
 */
import { constants, type Stats } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { KnockError } from '../errors.ts';
import { codeOf, storeError } from './system-error.ts';

const STICKY = 0o1000;

/**
 * Opens an existing file. It must be a regular file and no link, belong to this user or root, and give others no
 * access. No other user may be able to replace it in its folder. `flags` are further bits of open(2).
 * @throws KnockError INSECURE_FILE, or STORE when it cannot be opened; neither quotes the content
 */
export async function openPrivateFile(path: string, access: 'read' | 'change', flags = 0): Promise<FileHandle> {
  await checkFolder(dirname(path));
  let handle: FileHandle;
  try {
    const mode = access === 'read' ? constants.O_RDONLY : constants.O_RDWR;
    // O_NONBLOCK: opening a FIFO in place of the file must not hang. Windows has neither flag.
    handle = await open(path, mode | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0) | flags);
  } catch (error) {
    if (codeOf(error) === 'ELOOP') {
      throw new KnockError('INSECURE_FILE', `${path} is a symbolic link`, { hint: 'name the file itself' });
    }
    throw storeError(`cannot open ${path}`, error);
  }
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) throw new KnockError('STORE', `${path} is not a regular file`);
    refuseForeign(path, stat);
    const excess = stat.mode & 0o077;
    if (excess !== 0 && process.platform !== 'win32') {
      const verb = (excess & 0o044) !== 0 ? 'read' : 'changed or run';
      throw new KnockError('INSECURE_FILE', `${path} can be ${verb} by others (mode ${octal(stat.mode)})`, {
        hint: `chmod 600 '${path}', and make new sequences if somebody may have read these`,
      });
    }
    return handle;
  } catch (error) {
    await handle.close();
    throw error instanceof KnockError ? error : storeError(`cannot read ${path}`, error);
  }
}

/** Makes added and removed names of a folder durable. Windows has no such call and does not need it. */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await openFolder(path);
  try {
    await handle.sync();
  } catch (error) {
    throw storeError(`cannot make ${path} durable`, error);
  } finally {
    await handle.close();
  }
}

/** Refuses a folder where others can rename files: they could restore an old copy with used sequences unstruck. */
async function checkFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await openFolder(path);
  try {
    const stat = await handle.stat();
    refuseForeign(path, stat);
    if ((stat.mode & 0o022) !== 0 && (stat.mode & STICKY) === 0) {
      throw new KnockError('INSECURE_FILE', `others can put files into ${path} (mode ${octal(stat.mode)})`, {
        hint: `chmod go-w '${path}', or keep the file in a folder of its own`,
      });
    }
  } finally {
    await handle.close();
  }
}

async function openFolder(path: string): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    throw storeError(`cannot open the folder ${path}`, error);
  }
}

function refuseForeign(path: string, { uid }: Stats): void {
  const us = process.geteuid?.();
  if (us === undefined || uid === us || uid === 0) return;
  throw new KnockError('INSECURE_FILE', `${path} belongs to user ${uid}, neither to root nor to this one`, {
    hint: `chown ${us} '${path}'`,
  });
}

function octal(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, '0');
}
