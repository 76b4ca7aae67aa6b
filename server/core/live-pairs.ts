/**
 * The live sequences of all indexes together, the pairs that they contain, and which of these may have changed since
 * somebody last asked. For captures that hear some ports only; the matcher looks into the indexes themselves.
 */
import type { Pair } from '../../shared/knock.ts';
import type { LiveSequence } from './sequence-index.ts';

export class LivePairs {
  /** Kept right by the indexes. */
  readonly sequences = new Set<LiveSequence>();
  /** In how many indexes a pair is. */
  readonly #counts = new Map<Pair, number>();
  #touched = new Set<Pair>();

  get size(): number {
    return this.#counts.size;
  }

  has(pair: Pair): boolean {
    return this.#counts.has(pair);
  }

  all(): IterableIterator<Pair> {
    return this.#counts.keys();
  }

  add(pair: Pair): void {
    this.#counts.set(pair, (this.#counts.get(pair) ?? 0) + 1);
    this.#touched.add(pair);
  }

  remove(pair: Pair): void {
    const count = this.#counts.get(pair) ?? 0;
    if (count > 1) this.#counts.set(pair, count - 1);
    else this.#counts.delete(pair);
    this.#touched.add(pair);
  }

  /** The pairs that were added or removed since the last call, whatever they are now. At most one for every pair there is. */
  takeTouched(): ReadonlySet<Pair> {
    const touched = this.#touched;
    this.#touched = new Set();
    return touched;
  }
}
