/**
 * Changes a configuration file that people and other programs edit too. The new text goes into a file in the same
 * folder, is made durable and renamed over the old file. Mode and owner stay, and the old text stays as `.bak`.
 *
 * If an editor saves between our reading and our renaming, the change is made again on the saved text. The same happens
 * if an editor writes into the old file while it is replaced. Processes of knock-otp exclude each other with a lock
 * file.
 */
import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, lstat, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { KnockError } from '../../../shared/errors.ts';

const MAX_BYTES = 4 * 1024 * 1024;
const MAX_ATTEMPTS = 40;
/** Milliseconds without a change, before which another program may still be writing (truncate, then fill). */
const QUIET_MS = 60;
const LOCK_PATIENCE_MS = 5000;
const EMPTY_MS = 2000;

/** One character for each byte, so that bytes that are not UTF-8 stay as they are. */
const BYTES = 'latin1';

/**
 * Replaces the file's text by the result of `change`; undefined leaves the file as it is. The text of a missing file is
 * empty. `change` may be called more than once. For a symbolic link, the target is edited and the link stays.
 * @throws KnockError FIREWALL when the file cannot be edited safely
 */
export async function editFile(path: string, change: (content: string) => string | undefined): Promise<void> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    const target = await targetOf(path);
    const file = await openExisting(target);
    try {
      const before = await file?.stat({ bigint: true });
      if (before !== undefined) check(target, before);
      if (before !== undefined && isYoung(before) && ownWrites.get(target) !== identity(before)) {
        await setTimeout(QUIET_MS);
        continue;
      }
      const content = file === undefined ? '' : await contentOf(target, file);
      const changed = change(content);
      if (changed === undefined) return;
      if (before !== undefined) await writeBackup(`${target}.bak`, content, before);
      const written = await writeTemporary(target, changed, before);
      const now = await stat(target, { bigint: true }).catch(() => undefined);
      if ((now === undefined ? '' : identity(now)) !== (before === undefined ? '' : identity(before))) {
        await rm(written, { force: true });
        continue;
      }
      await putInPlace(written, target);
      ownWrites.set(target, identity(await stat(target, { bigint: true })));
      // An editor may have written into the old file, which has no name now. Its text would be lost: change that text
      // too.
      const late = file === undefined ? content : await contentOf(target, file);
      if (late === content) return;
      const merged = change(late) ?? late;
      await putInPlace(await writeTemporary(target, merged, before), target);
      ownWrites.set(target, identity(await stat(target, { bigint: true })));
      return;
    } finally {
      await file?.close();
    }
  }
  throw fault(path, 'it changes all the time', 'find out which program writes it');
}

/** Durably replaces a file of ours, with mode 0600. */
export async function replaceFile(path: string, content: string): Promise<void> {
  await putInPlace(await writeTemporary(path, content, undefined, 0o600), path);
}

/**
 * Runs `work` while this process alone holds the lock. Takes over a lock of a process that has ended, and a lock
 * without a process id.
 */
export async function withLock<T>(lock: string, work: () => Promise<T>): Promise<T> {
  const limit = performance.now() + LOCK_PATIENCE_MS;
  for (;;) {
    try {
      await fillLock(await open(lock, 'wx', 0o600), lock);
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') fail(lock, 'it cannot be made', error);
      const holder = Number(await readFile(lock, 'utf8').catch(() => ''));
      const isFree = holder > 0 ? holder === process.pid || !isRunning(holder) : await isAbandoned(lock);
      if (isFree) await rm(lock, { force: true }).catch((cause: unknown) => fail(lock, 'it cannot be removed', cause));
      else if (performance.now() > limit)
        throw fault(lock, `process ${holder} holds it`, 'end that process, or remove the file');
      else await setTimeout(20);
    }
  }
  try {
    return await work();
  } finally {
    // If the lock file stays, it has our process id: we can take it again, and others can when we have ended.
    await rm(lock, { force: true }).catch(() => undefined);
  }
}

/** Writes our process id; removes the lock on failure, because an empty lock would block every process. */
async function fillLock(file: FileHandle, lock: string): Promise<void> {
  try {
    await file.writeFile(`${process.pid}\n`);
  } catch (error) {
    await rm(lock, { force: true }).catch(() => undefined);
    throw error;
  } finally {
    await file.close();
  }
}

/** Whether an empty lock is old: the process that made it was killed, or the disk was full. */
async function isAbandoned(lock: string): Promise<boolean> {
  const { mtimeMs } = (await stat(lock).catch(() => undefined)) ?? { mtimeMs: Number.POSITIVE_INFINITY };
  return Date.now() - mtimeMs > EMPTY_MS;
}

/** The version of each file that we wrote last: our own write does not mean that an editor is active. */
const ownWrites = new Map<string, string>();

async function targetOf(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    const link = await lstat(path).catch(() => undefined);
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && link === undefined) {
      return join(
        await realpath(dirname(path)).catch((cause: unknown) => fail(path, 'its directory is missing', cause)),
        basename(path),
      );
    }
    return fail(path, 'it is a link that leads nowhere', error);
  }
}

async function openExisting(target: string): Promise<FileHandle | undefined> {
  try {
    return await open(target, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    return fail(target, 'it cannot be read', error);
  }
}

function check(target: string, { mode, nlink, size, ...stats }: BigIntStats): void {
  const isFile = (mode & 0o170000n) === 0o100000n;
  if (!isFile) throw fault(target, 'it is not a regular file');
  if ((mode & 0o002n) !== 0n) throw fault(target, 'everybody may write it', 'chmod o-w');
  if (nlink !== 1n) throw fault(target, 'it has another name too, which would keep the old text', 'make it a link');
  if (size > BigInt(MAX_BYTES)) throw fault(target, `it is larger than ${MAX_BYTES} bytes`);
  if (process.geteuid?.() === 0 && stats.uid !== 0n)
    throw fault(target, `it belongs to user ${stats.uid}`, 'chown root');
}

async function contentOf(target: string, file: FileHandle): Promise<string> {
  const buffer = Buffer.alloc(MAX_BYTES + 1);
  let length = 0;
  for (;;) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length, length);
    if (bytesRead === 0) return buffer.toString(BYTES, 0, length);
    length += bytesRead;
    if (length > MAX_BYTES) throw fault(target, `it is larger than ${MAX_BYTES} bytes`);
  }
}

/**
 * Durably renames. @throws KnockError FIREWALL: then the file has the old text, or the new text, which a power cut may
 * undo
 */
async function putInPlace(written: string, target: string): Promise<void> {
  try {
    await rename(written, target);
    await syncDirectory(target);
  } catch (error) {
    await rm(written, { force: true }).catch(() => undefined);
    fail(target, 'it cannot be replaced', error);
  }
}

async function writeBackup(path: string, content: string, like: BigIntStats): Promise<void> {
  const written = await writeTemporary(path, content, like);
  await rename(written, path).catch((error: unknown) => fail(path, 'it cannot be replaced', error));
}

/** Durably writes the new text to a temporary file in the folder of `target`. Returns its path. */
async function writeTemporary(
  target: string,
  content: string,
  like: BigIntStats | undefined,
  mode = 0o644,
): Promise<string> {
  const path = join(dirname(target), `.${basename(target)}.knock-otp-new`);
  try {
    await rm(path, { force: true });
    const file = await open(path, 'wx', 0o600);
    try {
      if (like !== undefined) await file.chown(Number(like.uid), Number(like.gid));
      await file.chmod(like === undefined ? mode : Number(like.mode & 0o7777n));
      await file.writeFile(content, BYTES);
      await file.sync();
    } finally {
      await file.close();
    }
    return path;
  } catch (error) {
    await rm(path, { force: true }).catch(() => undefined);
    return fail(path, 'it cannot be written', error);
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(dirname(path), constants.O_RDONLY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function identity({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
}

function isYoung({ mtimeMs }: BigIntStats): boolean {
  const age = Date.now() - Number(mtimeMs);
  return age >= 0 && age < QUIET_MS;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function fail(path: string, what: string, cause: unknown): never {
  const code = (cause as NodeJS.ErrnoException).code;
  throw fault(path, code === undefined ? what : `${what} (${code})`, undefined, cause);
}

function fault(path: string, what: string, hint?: string, cause?: unknown): KnockError {
  return new KnockError('FIREWALL', `cannot edit ${path}: ${what}`, {
    ...(hint === undefined ? {} : { hint }),
    ...(cause === undefined ? {} : { cause }),
  });
}
