/**
 * Writing whole files so that there is always one that is complete, the old or the new, whenever the power goes: into a
 * temporary file in the same folder, made durable, then given its name, and the name made durable.
 */
import { randomBytes } from 'node:crypto';
import { linkSync, renameSync } from 'node:fs';
import { type FileHandle, open, readdir, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { KnockError } from '../errors.ts';
import { syncFolder } from './private-file.ts';
import { codeOf, storeError } from './system-error.ts';

const SUFFIX = '.new';

export interface NewFileTerms {
  /** Permission bits; nothing is readable by others before they are set. */
  readonly mode: number;
  /** Given where the file is to belong to somebody else than this process. */
  readonly owner?: { readonly uid: number; readonly gid: number };
}

/** A file that is complete and durable and only lacks its name. */
export interface NamelessFile {
  /**
   * Gives it its name, replacing what has it. Synchronous, so that a check right before it is about what is replaced.
   * @throws the system's error
   */
  replace(): void;
  /** Gives it its name where nothing has it. @throws the system's error: EEXIST when something has */
  claim(): void;
  /** Removes what is left of it, and makes the folder durable. @throws KnockError STORE */
  settle(): Promise<void>;
  /** Removes it. Never throws. */
  discard(): Promise<void>;
}

/** Writes a file that is to become `path`. @throws KnockError STORE */
export async function writeNameless(path: string, bytes: Uint8Array, terms: NewFileTerms): Promise<NamelessFile> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(8).toString('hex')}${SUFFIX}`);
  const discard = () => unlink(temporary).catch(() => {});
  let handle: FileHandle | undefined;
  try {
    handle = await open(temporary, 'wx', 0o600);
    await handle.writeFile(bytes);
    if (terms.owner !== undefined) await handle.chown(terms.owner.uid, terms.owner.gid);
    await handle.chmod(terms.mode);
    await handle.sync();
  } catch (error) {
    await discard();
    throw storeError(`cannot write next to ${path}`, error);
  } finally {
    await handle?.close();
  }
  return {
    replace: () => renameSync(temporary, path),
    claim: () => linkSync(temporary, path),
    settle: async () => {
      await discard();
      await syncFolder(dirname(path));
    },
    discard,
  };
}

/** Removes what processes that were killed left behind of `path`. Call it only where nobody else is writing it. */
export async function removeLeftovers(path: string): Promise<void> {
  const start = `.${basename(path)}.`;
  const names = await readdir(dirname(path)).catch(() => []);
  for (const name of names) {
    const middle = name.slice(start.length, -SUFFIX.length);
    if (!name.startsWith(start) || !name.endsWith(SUFFIX) || !/^[0-9a-f]{16}$/.test(middle)) continue;
    await unlink(join(dirname(path), name)).catch(() => {});
  }
}

export interface NewFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/**
 * Writes files of mode 0600, durably. Each is whole or not there; that all are there is only so when this resolves.
 * @throws KnockError USAGE when one is there already and `overwrite` is false, STORE when one cannot be written
 */
export async function writePrivateFiles(files: readonly NewFile[], overwrite: boolean): Promise<void> {
  const written: { readonly path: string; readonly nameless: NamelessFile }[] = [];
  try {
    for (const { path, bytes } of files) {
      written.push({ path, nameless: await writeNameless(path, bytes, { mode: 0o600 }) });
    }
    const claimed: string[] = [];
    for (const { path, nameless } of written) {
      try {
        if (overwrite) nameless.replace();
        else nameless.claim();
      } catch (error) {
        // One of a pair alone would be taken for the pair.
        for (const made of claimed) await unlink(made).catch(() => {});
        if (codeOf(error) === 'EEXIST') {
          throw new KnockError('USAGE', `${path} is there already`, {
            hint: 'what it holds may be in use; --force replaces it',
          });
        }
        throw storeError(`cannot write ${path}`, error);
      }
      if (!overwrite) claimed.push(path);
    }
    for (const { nameless } of written) await nameless.settle();
  } finally {
    for (const { nameless } of written) await nameless.discard();
  }
}
