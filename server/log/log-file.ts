/**
 * Appends lines to a log file without blocking the daemon: a thread writes, the queue for a slow disk is bounded, and lines
 * that a full disk refuses are dropped and counted.
 */
import { close, constants, openSync, write } from 'node:fs';

/** Maximum size of the queue for the disk; a line is about a hundred bytes. */
const MAX_WAITING_BYTES = 256 * 1024;
/** A FIFO without a reader must fail, not block, both at open and at write. Windows has neither optional flag. */
const FLAGS =
  constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0);
/** Pause before the next try after a failed write. */
const RETRY_MS = 1000;
const LINE_END = 0x0a;

interface Waiting {
  readonly line: string;
  /** Descriptor of the file that was open when the line was logged; a rotation does not change it. */
  readonly file: number;
}

export class LogFile {
  readonly #path: string;
  readonly #lostLine: (lines: number) => string;
  #file: number;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #lost = 0;
  /** Whether the last write ended in the middle of a line. */
  #isTorn = false;
  #isBusy = false;
  #closed: (() => void) | undefined;

  /**
   * Creates the file with mode 0640. `lostLine` makes a line that tells how many are missing before it.
   * @throws the system's error when it cannot be opened; other methods never throw
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
    this.#writeNext();
  }

  /** Opens the path again (logrotate); on failure it keeps the current file. */
  reopen(): void {
    const before = this.#file;
    try {
      this.#file = openSync(this.#path, FLAGS, 0o640);
    } catch {
      return;
    }
    if (!this.#isBusy && this.#waiting.length === 0) close(before, () => undefined);
  }

  /** Resolves when every line has been written or refused. */
  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#closed = resolve;
      this.#writeNext();
    });
  }

  #writeNext(): void {
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
        this.#writeNext();
      };
      if (isWritten || this.#closed !== undefined) next();
      else setTimeout(next, RETRY_MS).unref();
    });
  }

  /** Writes all bytes, in several writes if the disk takes only a part. */
  #write(file: number, bytes: Buffer, from: number, done: (isWritten: boolean) => void): void {
    write(file, bytes, from, bytes.length - from, null, (error, written) => {
      const to = from + (error === null ? written : 0);
      if (to > 0) this.#isTorn = bytes[to - 1] !== LINE_END;
      if (error === null && to < bytes.length) this.#write(file, bytes, to, done);
      else done(error === null);
    });
  }
}
