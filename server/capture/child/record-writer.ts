/**
 * The child's writer of records: collects them and writes them to the pipe in batches. When the pipe is full, it drops new
 * records and counts them. It never waits, because then the kernel would drop packets that are not counted.
 */
import { RECORD_BYTES } from '../records.ts';

/** Records per batch, so that a flood costs one system call for so many packets. */
export const BATCH_RECORDS = 64;
/** Pause after a refused write: each refusal costs an exception, and a flood with a slow reader would cause many. */
const REFUSED_PAUSE_MS = 2;

/** Writes a part of `bytes[from, to)`; returns its length, 0 when full. Ends the process or throws without a reader. */
export type PipeWrite = (bytes: Buffer, from: number, to: number) => number;

export class RecordWriter {
  readonly bytes = Buffer.alloc(BATCH_RECORDS * RECORD_BYTES);
  readonly #write: PipeWrite;
  #from = 0;
  #to = 0;
  #retryAtMs = 0;
  #sinceMs = 0;

  constructor(write: PipeWrite) {
    this.#write = write;
  }

  /** True while records wait to be written. */
  get waiting(): boolean {
    return this.#to > this.#from;
  }

  /** Time since which the oldest batch waits, in milliseconds of `nowMs`. */
  get waitingSinceMs(): number {
    return this.#sinceMs;
  }

  /** Offset in `bytes` for the next record; -1 when there is no room and the record is lost. */
  slot(nowMs: number): number {
    if (this.#to === this.bytes.length) {
      this.flush(nowMs);
      this.#compact();
      if (this.#to === this.bytes.length) return -1;
    }
    if (!this.waiting) this.#sinceMs = nowMs;
    const at = this.#to;
    this.#to += RECORD_BYTES;
    return at;
  }

  /** True when a whole batch waits: call {@link flush}. */
  get full(): boolean {
    return this.#to === this.bytes.length;
  }

  /** Writes as much as the pipe takes. */
  flush(nowMs: number): void {
    if (nowMs < this.#retryAtMs) return;
    while (this.#from < this.#to) {
      const written = this.#write(this.bytes, this.#from, this.#to);
      if (written === 0) {
        this.#retryAtMs = nowMs + REFUSED_PAUSE_MS;
        return;
      }
      this.#from += written;
    }
    this.#from = 0;
    this.#to = 0;
  }

  /** Frees the slots of written records. The pipe may have taken part of a record, so its rest stays at the front. */
  #compact(): void {
    const whole = this.#from - (this.#from % RECORD_BYTES);
    if (whole === 0) return;
    this.bytes.copyWithin(0, whole, this.#to);
    this.#from -= whole;
    this.#to -= whole;
  }
}
