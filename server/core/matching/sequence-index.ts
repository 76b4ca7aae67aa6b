/** The index of live sequences: finds the sequences that hold a pair, and adds and removes sequences. */
import { PAIR_COUNT, type Pair } from '../../../shared/knock.ts';
import type { LivePairs } from './live-pairs.ts';
import type { LiveSequence } from './live-sequence.ts';

const NONE: readonly LiveSequence[] = [];

/** Pairs in one page of {@link PairLists}. Pages save memory, because many indexes hold few sequences. */
const PAGE_PAIRS = 256;
const FIRST_SIZE = 64;

/**
 * A list of numbers for each pair, oldest first, as linked lists in plain number arrays. Ten thousand clients add and
 * remove a hundred thousand entries at each step. Arrays in a map cost three times as much, half of it in garbage
 * collection.
 */
class PairLists {
  /** First and last link of each pair's list, two entries for a pair. Links count from 1; 0 is none. */
  readonly #ends: (Int32Array | undefined)[] = new Array(PAIR_COUNT / PAGE_PAIRS);
  /** By link: its number, and the next link in its list or in the list of unused links. */
  #numbers = new Int32Array(FIRST_SIZE);
  #next = new Int32Array(FIRST_SIZE);
  #unused = 0;
  #made = 0;

  /** Appends a number to the pair's list. True when the list was empty. */
  append(pair: Pair, number: number): boolean {
    const ends = this.#endsOf(pair);
    const at = (pair % PAGE_PAIRS) * 2;
    const link = this.#takeLink();
    const last = ends[at + 1] ?? 0;
    this.#numbers[link] = number;
    this.#next[link] = 0;
    if (last === 0) ends[at] = link;
    else this.#next[last] = link;
    ends[at + 1] = link;
    return last === 0;
  }

  /** Removes a number from the pair's list, once. True when this made the list empty. */
  remove(pair: Pair, number: number): boolean {
    const ends = this.#endsOf(pair);
    const at = (pair % PAGE_PAIRS) * 2;
    let before = 0;
    let link = ends[at] ?? 0;
    while (link !== 0 && this.#numbers[link] !== number) {
      before = link;
      link = this.#next[link] ?? 0;
    }
    if (link === 0) return false;
    const after = this.#next[link] ?? 0;
    if (before === 0) ends[at] = after;
    else this.#next[before] = after;
    if (after === 0) ends[at + 1] = before;
    this.#next[link] = this.#unused;
    this.#unused = link;
    return ends[at] === 0;
  }

  /** The first link of the pair's list, 0 for none. Follow it with {@link next} until 0. */
  first(pair: Pair): number {
    return this.#ends[Math.trunc(pair / PAGE_PAIRS)]?.[(pair % PAGE_PAIRS) * 2] ?? 0;
  }

  next(link: number): number {
    return this.#next[link] ?? 0;
  }

  number(link: number): number {
    return this.#numbers[link] ?? 0;
  }

  #endsOf(pair: Pair): Int32Array {
    const page = Math.trunc(pair / PAGE_PAIRS);
    this.#ends[page] ??= new Int32Array(PAGE_PAIRS * 2);
    return this.#ends[page];
  }

  #takeLink(): number {
    const link = this.#unused;
    if (link !== 0) {
      this.#unused = this.#next[link] ?? 0;
      return link;
    }
    this.#made += 1;
    if (this.#made === this.#next.length) {
      this.#numbers = grown(this.#numbers);
      this.#next = grown(this.#next);
    }
    return this.#made;
  }
}

function grown(numbers: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(numbers.length * 2);
  larger.set(numbers);
  return larger;
}

export class SequenceIndex {
  readonly #lists = new PairLists();
  /** Position in `#sequences` by sequence id. */
  readonly #places = new Map<number, number>();
  readonly #sequences: (LiveSequence | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #live: LivePairs | undefined;
  #longestRun = 0;
  #longestTimeoutMs = 0;

  /** @param live receives the sequences and pairs that are added and removed */
  constructor(live?: LivePairs) {
    this.#live = live;
  }

  get size(): number {
    return this.#places.size;
  }

  /** Most distinct pairs in a completing run of any sequence so far. Never shrinks. */
  get longestRun(): number {
    return this.#longestRun;
  }

  /** The longest seq_timeout so far, milliseconds: older packets do not count. Never shrinks. */
  get longestTimeoutMs(): number {
    return this.#longestTimeoutMs;
  }

  has(id: number): boolean {
    return this.#places.has(id);
  }

  /** Sequences with the pair, oldest first. A fresh array: the caller may remove sequences meanwhile. */
  containing(pair: Pair): readonly LiveSequence[] {
    let link = this.#lists.first(pair);
    if (link === 0) return NONE;
    const found: LiveSequence[] = [];
    for (; link !== 0; link = this.#lists.next(link)) {
      const sequence = this.#sequences[this.#lists.number(link)];
      if (sequence !== undefined) found.push(sequence);
    }
    return found;
  }

  add(sequence: LiveSequence): void {
    if (this.#places.has(sequence.id)) return;
    const place = this.#free.pop() ?? this.#sequences.length;
    this.#sequences[place] = sequence;
    this.#places.set(sequence.id, place);
    this.#live?.sequences.add(sequence);
    this.#longestRun = Math.max(this.#longestRun, sequence.pairs.length + sequence.maxStrays);
    this.#longestTimeoutMs = Math.max(this.#longestTimeoutMs, sequence.seqTimeoutMs);
    const { pairs } = sequence;
    for (let at = 0; at < pairs.length; at += 1) {
      const pair = pairs[at] ?? 0;
      if (pairs.indexOf(pair) === at && this.#lists.append(pair, place)) this.#live?.add(pair);
    }
  }

  remove({ id }: LiveSequence): void {
    const place = this.#places.get(id);
    const sequence = place === undefined ? undefined : this.#sequences[place];
    if (place === undefined || sequence === undefined) return;
    this.#places.delete(id);
    this.#sequences[place] = undefined;
    this.#free.push(place);
    this.#live?.sequences.delete(sequence);
    for (const pair of sequence.pairs) if (this.#lists.remove(pair, place)) this.#live?.remove(pair);
  }
}
