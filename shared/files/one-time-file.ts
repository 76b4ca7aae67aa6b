/**
 * Reads a file of one-time sequences and strikes lines in it, so that no crash restores a used line and no two
 * processes use the same one. `shared/formats/sequences-file.ts` defines the format; the callers decide which line may
 * be used.
 *
 * How a line is struck. If one line is struck and it begins with a blank, that byte becomes `#` in place, followed by
 * fdatasync. One byte cannot be half written, and no other byte moves. It needs no space on the disk and no right on
 * the folder, and a knockd that has the file open sees it too. Otherwise (several lines, or a line that begins with a
 * digit, which knockd would overwrite) a changed copy is written beside the file, made durable and renamed over it, so
 * that all lines are struck or none. (A knockd that has the old file open must then be told to read it again. With a
 * look-ahead of 1 this never happens to files whose lines begin with a blank, as knockd's manual asks for and our
 * generator writes.)
 *
 * Other processes. Processes of knock-otp take turns by a kernel lock. Editors and knockd ignore the lock. So the
 * strike checks, without a pause before the change and once more after it, that the line is in the file and the file is
 * the one that was read.
 */
import { type BigIntStats, lstatSync, readSync, writeSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { KnockError } from '../errors.ts';
import {
  type FileLine,
  findLine,
  isStruckInPlace,
  isUnspent,
  type LineRef,
  parseSequencesFile,
  type SequenceLine,
  struckBytes,
} from '../formats/sequences-file.ts';
import { LOCK_FLAGS, lockHandle } from './file-lock.ts';
import { openPrivateFile, syncFolder } from './private-file.ts';
import { removeLeftovers, writeNameless } from './replace-file.ts';
import { codeOf, storeError } from './system-error.ts';

/** Enough for some hundred thousand lines. A device or log file named by mistake is not read to its end. */
export const MAX_FILE_BYTES = 4 * 1024 * 1024;
/** Default time to wait for another process to strike its line. */
const DEFAULT_WAIT_MS = 5000;
const LONGEST_PAUSE_MS = 100;

/** The steps of a strike; crash tests end the process at each. */
export type StrikeStep =
  | 'locked'
  | 'read'
  | 'before-write'
  | 'written'
  | 'synced'
  | 'copied'
  | 'renamed'
  | 'folder-synced';

export interface OneTimeFileOptions {
  /** Milliseconds to wait for the lock, and for a file to stop changing. Default 5000. */
  readonly waitMs?: number;
  readonly onStep?: (step: StrikeStep) => void;
}

/**
 * `already`: another process struck it first. `gone`: the file has no such line. Do not use the line in either case.
 */
export type StrikeOutcome = 'struck' | 'already' | 'gone';

export interface TakenLine {
  readonly line: SequenceLine;
  /** Unspent lines left after it. */
  readonly left: number;
}

interface Content {
  readonly handle: FileHandle;
  readonly stat: BigIntStats;
  readonly bytes: Uint8Array;
  readonly lines: readonly FileLine[];
}

export class OneTimeFile {
  readonly path: string;
  readonly #waitMs: number;
  readonly #onStep: (step: StrikeStep) => void;
  /** A write was not confirmed: the bytes read back may be lost at a power cut, even if a later fsync succeeds. */
  #unconfirmed = false;

  constructor(path: string, { waitMs = DEFAULT_WAIT_MS, onStep = () => {} }: OneTimeFileOptions = {}) {
    this.path = path;
    this.#waitMs = waitMs;
    this.#onStep = onStep;
  }

  /** Reads all lines. @throws KnockError INSECURE_FILE, or STORE when the file cannot be read */
  async read(): Promise<readonly FileLine[]> {
    const handle = await openPrivateFile(this.path, 'read');
    try {
      return (await this.#readFrom(handle)).lines;
    } finally {
      await handle.close();
    }
  }

  /**
   * Strikes the line, and those of `skipped` that are still unspent. Durable when this resolves.
   * @throws KnockError INSECURE_FILE, or STORE when the strike failed or is not durable: do not use the line then
   */
  async strike(used: LineRef, skipped: readonly LineRef[] = []): Promise<StrikeOutcome> {
    return await this.#locked(async (content) => {
      const line = findLine(content.lines, used);
      if (line === undefined) return 'gone';
      const named = [used, ...skipped].map((ref) => findLine(content.lines, ref));
      const struck = named.filter((each) => each !== undefined).filter(isUnspent);
      // Before the check for `already`, because an unconfirmed strike is repeated here.
      if ((struck.length > 0 || this.#unconfirmed) && !(await this.#strike(content, struck))) return undefined;
      return isUnspent(line) ? 'struck' : 'already';
    });
  }

  /**
   * Strikes the first unspent line and returns it; undefined when none is left. Durable when this resolves.
   * @throws KnockError as {@link strike}
   */
  async take(): Promise<TakenLine | undefined> {
    const taken = await this.#locked<TakenLine | 'exhausted'>(async (content) => {
      const [line, ...others] = content.lines.filter(isUnspent);
      if (line === undefined) return 'exhausted';
      return (await this.#strike(content, [line])) ? { line, left: others.length } : undefined;
    });
    return taken === 'exhausted' ? undefined : taken;
  }

  /** Locks and reads the file, then does the work. Starts again while the work returns undefined: the file changed. */
  async #locked<Result>(work: (content: Content) => Promise<Result | undefined>): Promise<Result> {
    const deadline = performance.now() + this.#waitMs;
    for (let pauseMs = 2; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      const handle = await this.#openLocked();
      if (handle !== undefined) {
        try {
          this.#onStep('locked');
          const content = await this.#readFrom(handle);
          this.#onStep('read');
          const result = isNamed(this.path, content.stat) ? await work(content) : undefined;
          if (result !== undefined) return result;
        } finally {
          await handle.close();
        }
      }
      if (performance.now() > deadline) {
        throw new KnockError('STORE', `${this.path} is in use by another process, or keeps changing`, {
          hint: 'see with fuser or lsof who has it open',
        });
      }
      await pause(pauseMs);
    }
  }

  async #openLocked(): Promise<FileHandle | undefined> {
    let handle: FileHandle | undefined;
    try {
      handle = await openPrivateFile(this.path, 'change', LOCK_FLAGS);
      if (await lockHandle(handle)) return handle;
    } catch (error) {
      await handle?.close();
      const { cause } = error as KnockError;
      if (codeOf(cause) === 'EAGAIN') return undefined;
      throw error;
    }
    await handle.close();
    return undefined;
  }

  async #readFrom(handle: FileHandle): Promise<Content> {
    try {
      const stat = await handle.stat({ bigint: true });
      // The size may change while reading, so reading stops at the limit in any case.
      const buffer = new Uint8Array(Math.min(Number(stat.size), MAX_FILE_BYTES) + 1);
      let length = 0;
      while (length < buffer.length) {
        const { bytesRead } = await handle.read(buffer, length, buffer.length - length, length);
        if (bytesRead === 0) break;
        length += bytesRead;
      }
      if (length > MAX_FILE_BYTES) {
        throw new KnockError('STORE', `${this.path} is longer than ${MAX_FILE_BYTES} bytes`, {
          hint: 'is it the right file?',
        });
      }
      const bytes = buffer.subarray(0, length);
      return { handle, stat, bytes, lines: parseSequencesFile(bytes) };
    } catch (error) {
      throw error instanceof KnockError ? error : storeError(`cannot read ${this.path}`, error);
    }
  }

  /** False when the file has changed since it was read. */
  async #strike(content: Content, lines: readonly SequenceLine[]): Promise<boolean> {
    const [line] = lines;
    const inPlace = line !== undefined && lines.length === 1 && isStruckInPlace(content.bytes, line);
    try {
      return inPlace && !this.#unconfirmed
        ? await this.#strikeInPlace(content, line)
        : await this.#strikeByCopy(content, lines);
    } catch (error) {
      throw error instanceof KnockError ? error : storeError(`cannot strike a line of ${this.path}`, error);
    }
  }

  async #strikeInPlace(content: Content, { offset, length }: SequenceLine): Promise<boolean> {
    const { handle, stat, bytes } = content;
    // Includes the line ends around it, so that a longer line does not match.
    const from = Math.max(0, offset - 1);
    const expected = bytes.slice(from, offset + length + 1);
    this.#onStep('before-write');
    // Synchronous from here to the write, so no other code of this process runs in between.
    if (!holds(content, from, expected) || !isNamed(this.path, stat)) return false;
    this.#unconfirmed = true;
    writeSync(handle.fd, '#', offset);
    this.#onStep('written');
    await handle.datasync();
    this.#unconfirmed = false;
    this.#onStep('synced');
    expected[offset - from] = '#'.charCodeAt(0);
    return holds(content, from, expected) && isNamed(this.path, stat);
  }

  async #strikeByCopy(content: Content, lines: readonly SequenceLine[]): Promise<boolean> {
    const { stat, bytes } = content;
    await removeLeftovers(this.path);
    const copy = await writeNameless(this.path, struckBytes(bytes, lines), {
      mode: Number(stat.mode) & 0o7777,
      owner: { uid: Number(stat.uid), gid: Number(stat.gid) },
    });
    try {
      this.#onStep('copied');
      // A change that an editor saved or a knockd made meanwhile must not be lost.
      if (!isNamed(this.path, stat) || !holds(content, 0, bytes)) return false;
      this.#unconfirmed = true;
      copy.replace();
      this.#onStep('renamed');
      await syncFolder(dirname(this.path));
      this.#unconfirmed = false;
      this.#onStep('folder-synced');
      return true;
    } finally {
      await copy.discard();
    }
  }
}

/** Whether the path still names this file. */
function isNamed(path: string, { dev, ino }: BigIntStats): boolean {
  const named = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return named !== undefined && named.ino === ino && named.dev === dev;
}

/** Whether the file still holds these bytes at that position. After the end as it was read, it must hold nothing. */
function holds({ handle, bytes }: Content, from: number, expected: Uint8Array): boolean {
  const isEnd = from + expected.length === bytes.length;
  const found = new Uint8Array(expected.length + (isEnd ? 1 : 0));
  const length = readSync(handle.fd, found, 0, found.length, from);
  return length === expected.length && expected.every((byte, at) => byte === found[at]);
}
