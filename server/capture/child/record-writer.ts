/**
 * The child's end of the pipe: gathers records, hands them to the pipe in batches, and when the pipe takes no more, drops
 * the new ones and counts them. Never waits: while it waited, the kernel would drop packets and nobody would count. Knows
 * nothing of packets.
 */
import { RECORD_BYTES } from '../records.ts';

/** Records that are written together; a flood pays for one system call in so many. */
export const BATCH_RECORDS = 64;
/** A refused write costs an exception; under a flood with a slow reader, one in this many milliseconds is enough. */
const REFUSED_PAUSE_MS = 2;

/** Writes some of `bytes[from, to)` at once and returns how many; 0 when the pipe is full. Ends the process, or throws, when the reader is gone. */
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

  /** True while records wait here. */
  get waiting(): boolean {
    return this.#to > this.#from;
  }

  /** Since when the oldest batch waits; for whoever must not leave it lying. */
  get waitingSinceMs(): number {
    return this.#sinceMs;
  }

  /** Where in `bytes` the next record belongs, or -1: there is no room and the record is lost. */
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

  /** True when a whole batch waits: time to {@link flush}. */
  get full(): boolean {
    return this.#to === this.bytes.length;
  }

  /** Hands over what the pipe takes. */
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

  /** The pipe may have taken part of a record: the rest goes first, and whole slots are free again behind it. */
  #compact(): void {
    const whole = this.#from - (this.#from % RECORD_BYTES);
    if (whole === 0) return;
    this.bytes.copyWithin(0, whole, this.#to);
    this.#from -= whole;
    this.#to -= whole;
  }
}
