/**
 * A file that lines are appended to by somebody who must not wait for it: writing is left to a thread, what waits for a
 * slow disk is bounded, and what a full one does not take is lost and counted. Knows nothing of what a line means.
 */
import { close, constants, openSync, write } from 'node:fs';

/** What waits for the disk at most; a line is some hundred bytes. */
const MAX_WAITING_BYTES = 256 * 1024;
/** A FIFO that nobody reads must be an error, not a wait, at opening as at writing. Neither flag is there on Windows. */
const FLAGS =
  constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0);
/** Until the next try when the disk took nothing. */
const RETRY_MS = 1000;
const LINE_END = 0x0a;

interface Waiting {
  readonly line: string;
  /** What was said before a rotation belongs to the file of then. */
  readonly file: number;
}

export class LogFile {
  readonly #path: string;
  readonly #lostLine: (lines: number) => string;
  #file: number;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #lost = 0;
  /** The last write ended in the midst of a line. */
  #isTorn = false;
  #isBusy = false;
  #closed: (() => void) | undefined;

  /**
   * Made with mode 0640. `lostLine` says how many lines are missing before it.
   * @throws the system's error when it cannot be opened at first; nothing throws later
   */
  constructor(path: string, lostLine: (lines: number) => string) {
    this.#path = path;
    this.#lostLine = lostLine;
    this.#file = openSync(path, FLAGS, 0o640);
  }

  append(line: string): void {
    const bytes = Buffer.byteLength(line) + 1;
    if (this.#closed !== undefined || this.#waitingBytes + bytes > MAX_WAITING_BYTES) {
      this.#lost += 1;
      return;
    }
    this.#waiting.push({ line, file: this.#file });
    this.#waitingBytes += bytes;
    this.#goOn();
  }

  /** Opens it again by its name (logrotate). Keeps the file that it has where that fails. */
  reopen(): void {
    const before = this.#file;
    try {
      this.#file = openSync(this.#path, FLAGS, 0o640);
    } catch {
      return;
    }
    if (!this.#isBusy && this.#waiting.length === 0) close(before, () => undefined);
  }

  /** Resolves when all is written that the disk takes. */
  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#closed = resolve;
      this.#goOn();
    });
  }

  #goOn(): void {
    if (this.#isBusy) return;
    const [first] = this.#waiting;
    if (first === undefined) {
      if (this.#closed !== undefined) close(this.#file, this.#closed);
      return;
    }
    const other = this.#waiting.findIndex(({ file }) => file !== first.file);
    const batch = this.#waiting.splice(0, other < 0 ? this.#waiting.length : other).map(({ line }) => line);
    const lost = this.#lost;
    const text = [...(this.#isTorn ? [''] : []), ...(lost > 0 ? [this.#lostLine(lost)] : []), ...batch, ''].join('\n');
    this.#isBusy = true;
    this.#write(first.file, Buffer.from(text), 0, (isWritten) => {
      this.#waitingBytes -= batch.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0);
      this.#lost += isWritten ? -lost : batch.length;
      if (first.file !== this.#file && this.#waiting[0]?.file !== first.file) close(first.file, () => undefined);
      const next = (): void => {
        this.#isBusy = false;
        this.#goOn();
      };
      if (isWritten || this.#closed !== undefined) next();
      else setTimeout(next, RETRY_MS).unref();
    });
  }

  /** A disk may take a part of it, and then no more. */
  #write(file: number, bytes: Buffer, from: number, done: (isWritten: boolean) => void): void {
    write(file, bytes, from, bytes.length - from, null, (error, written) => {
      const to = from + (error === null ? written : 0);
      if (to > 0) this.#isTorn = bytes[to - 1] !== LINE_END;
      if (error === null && to < bytes.length) this.#write(file, bytes, to, done);
      else done(error === null);
    });
  }
}
