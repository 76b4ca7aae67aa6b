/**
 * Changing a configuration file that people and other programs edit too: the new text is written beside it, made durable
 * and renamed over it, with mode and owner as they were and the text before kept as `.bak`. Knows nothing of what stands
 * in the file.
 *
 * An editor that saves between our reading and our renaming is noticed, and the change made again on what he saved; one
 * that wrote into the old file while it was renamed away is noticed too. Those who ask for it exclude each other by a lock
 * beside the file.
 */
import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, lstat, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { KnockError } from '../../../shared/errors.ts';

const MAX_BYTES = 4 * 1024 * 1024;
const MAX_ATTEMPTS = 40;
/** A file that changed less than this before may be in the midst of being written (truncated, then filled). */
const QUIET_MS = 60;
const LOCK_PATIENCE_MS = 5000;
const EMPTY_MS = 2000;

/** One character a byte: what we do not understand goes back as it came. */
const BYTES = 'latin1';

/**
 * Replaces the file's text by `change` of it; undefined changes nothing. The text of a missing file is empty. `change` may
 * be called more than once. A symbolic link stays one: its target is edited.
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
      if (before !== undefined) await writeAside(`${target}.bak`, content, before);
      const written = await writeBeside(target, changed, before);
      const now = await stat(target, { bigint: true }).catch(() => undefined);
      if ((now === undefined ? '' : identity(now)) !== (before === undefined ? '' : identity(before))) {
        await rm(written, { force: true });
        continue;
      }
      await putInPlace(written, target);
      ownWrites.set(target, identity(await stat(target, { bigint: true })));
      // What an editor wrote into the file that has no name any more would be lost: once more, on his text.
      const late = file === undefined ? content : await contentOf(target, file);
      if (late === content) return;
      const merged = change(late) ?? late;
      await putInPlace(await writeBeside(target, merged, before), target);
      ownWrites.set(target, identity(await stat(target, { bigint: true })));
      return;
    } finally {
      await file?.close();
    }
  }
  throw fault(path, 'it is being changed all the time', 'see which program writes it');
}

/** Replaces a file of our own, 0600, durably. */
export async function replaceFile(path: string, content: string): Promise<void> {
  await putInPlace(await writeBeside(path, content, undefined, 0o600), path);
}

/**
 * Runs `work` while no other process that asks for this lock does. The lock of a process that is gone counts for nothing, and so
 * does one that was never filled in. */
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
    // Where it stays, it has our number: we take it again, and others do when we are gone.
    await rm(lock, { force: true }).catch(() => undefined);
  }
}

/** One that stayed behind empty would hold everybody off. */
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

/** Empty for longer than it takes to fill it: whoever made it was killed, or the disk was full. */
async function isAbandoned(lock: string): Promise<boolean> {
  const { mtimeMs } = (await stat(lock).catch(() => undefined)) ?? { mtimeMs: Number.POSITIVE_INFINITY };
  return Date.now() - mtimeMs > EMPTY_MS;
}

/** Which version of each file we wrote last: our own writing is no sign of an editor at work. */
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
  if (!isFile) throw fault(target, 'it is no regular file');
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

/** Durably. @throws KnockError FIREWALL: the old text stands then, or the new one, which a power cut may undo */
async function putInPlace(written: string, target: string): Promise<void> {
  try {
    await rename(written, target);
    await syncDirectory(target);
  } catch (error) {
    await rm(written, { force: true }).catch(() => undefined);
    fail(target, 'it cannot be replaced', error);
  }
}

async function writeAside(path: string, content: string, like: BigIntStats): Promise<void> {
  const written = await writeBeside(path, content, like);
  await rename(written, path).catch((error: unknown) => fail(path, 'it cannot be replaced', error));
}

/** The path of the new text, durable, next to where it will be. */
async function writeBeside(
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
