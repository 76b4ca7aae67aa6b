/**
 * Counts the pairs of all live sequences over all indexes, and records which pairs have changed. For captures that
 * receive some ports only (`server/capture`). The matcher uses the indexes themselves.
 */
import { PAIR_COUNT, type Pair } from '../../../shared/knock.ts';
import type { LiveSequence } from './live-sequence.ts';

export class LivePairs {
  /** The indexes add and remove these. */
  readonly sequences = new Set<LiveSequence>();
  /** Number of indexes that hold each pair. */
  readonly #counts = new Uint16Array(PAIR_COUNT);
  #size = 0;
  readonly #isTouched = new Uint8Array(PAIR_COUNT);
  #touched: Pair[] = [];

  get size(): number {
    return this.#size;
  }

  has(pair: Pair): boolean {
    return this.#counts[pair] !== 0;
  }

  /** All live pairs, ascending. */
  all(): readonly Pair[] {
    const pairs: Pair[] = [];
    for (const [pair, count] of this.#counts.entries()) if (count > 0) pairs.push(pair);
    return pairs;
  }

  add(pair: Pair): void {
    this.#change(pair, 1);
  }

  remove(pair: Pair): void {
    this.#change(pair, -1);
  }

  /** The pairs that were added or removed since the last call, each once, live or not. */
  takeTouched(): readonly Pair[] {
    const touched = this.#touched;
    this.#touched = [];
    for (const pair of touched) this.#isTouched[pair] = 0;
    return touched;
  }

  #change(pair: Pair, by: 1 | -1): void {
    const before = this.#counts[pair] ?? 0;
    const count = before + by;
    this.#counts[pair] = count;
    if (before === 0) this.#size += 1;
    else if (count === 0) this.#size -= 1;
    if (this.#isTouched[pair] === 1) return;
    this.#isTouched[pair] = 1;
    this.#touched.push(pair);
  }
}
