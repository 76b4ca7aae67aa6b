/**
 * Writes whole files so that one complete file exists at any time, the old or the new, even at a power cut. The bytes
 * go into a temporary file in the same folder and are made durable; then the file gets its name, and the name is made
 * durable.
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
  /** Permission bits. Others cannot read the file before they are set. */
  readonly mode: number;
  /** Set if the file is to belong to another user than this process's. */
  readonly owner?: { readonly uid: number; readonly gid: number };
}

/** A complete and durable file that still has its temporary name. */
export interface NamelessFile {
  /**
   * Gives it its name and replaces an existing file. Synchronous, so that a check right before it sees the replaced
   * file.
   * @throws the system's error
   */
  replace(): void;
  /** Gives it its name if no file has it. @throws the system's error: EEXIST if one has */
  claim(): void;
  /** Removes the temporary name and makes the folder durable. @throws KnockError STORE */
  settle(): Promise<void>;
  /** Removes the temporary name. Never throws. */
  discard(): Promise<void>;
}

/** Writes a file that is to be named `path`. @throws KnockError STORE */
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

/** Removes temporary files of `path` that killed processes left. Call it only while no other process writes `path`. */
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
 * Writes files of mode 0600, durably. Each exists as a whole or not at all; all exist once this resolves.
 * @throws KnockError USAGE when one exists already and `overwrite` is false, STORE when one cannot be written
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
        // A part of the files alone would look like all of them.
        for (const made of claimed) await unlink(made).catch(() => {});
        if (codeOf(error) === 'EEXIST') {
          throw new KnockError('USAGE', `${path} exists already`, {
            hint: 'it may be in use; --force replaces it',
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
