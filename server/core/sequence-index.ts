/**
 * Which live sequences contain a pair: the only table that a packet from an unknown source is looked up in. Its size
 * follows from the configuration (doors, clients, windows), never from what arrives. Who puts sequences in and takes
 * them out, and when, is live-set's knowledge.
 */
import type { AddressKey } from '../../shared/address.ts';
import type { Pair } from '../../shared/knock.ts';
import type { LivePairs } from './live-pairs.ts';

/** One sequence that the matcher watches for. */
export interface LiveSequence {
  /** Unique for the life of the process. */
  readonly id: number;
  readonly door: string;
  readonly client: string;
  readonly keyId: string;
  readonly factor: number;
  /** In knocking order. Distinct for derived sequences; others may repeat a pair. */
  readonly pairs: readonly Pair[];
  readonly order: 'any' | 'strict';
  /** Longest run, milliseconds. */
  readonly seqTimeoutMs: number;
  /** Distinct stray pairs allowed in the run. */
  readonly maxStrays: number;
  /** Monotonic milliseconds: packets before this do not count, see matcher. */
  readonly enteredAtMs: number;
  /** Of a first part, which opens nothing by itself: the second part for one source. See bound-attempt. */
  readonly secondPart?: (source: AddressKey) => readonly Pair[];
  /** A strict sequence whose progress is to be told as it is made. */
  readonly tellsStages?: boolean;
  /** Knocks by which a source shows that it knows the sequence; absent where everybody may. */
  readonly contestFrom?: number;
  /** Knocks after which a source can go wrong, see penalty; absent where the door gives no penalties. */
  readonly penaltyFrom?: number;
}

const NONE: readonly LiveSequence[] = [];

export class SequenceIndex {
  readonly #byPair = new Map<Pair, LiveSequence[]>();
  readonly #ids = new Set<number>();
  readonly #live: LivePairs | undefined;
  #longestRun = 0;
  #longestTimeoutMs = 0;

  /** `live` is told which sequences and pairs come and go. */
  constructor(live?: LivePairs) {
    this.#live = live;
  }

  get size(): number {
    return this.#ids.size;
  }

  /** The most distinct pairs that a completing run of any sequence seen so far may hold. Grows only. */
  get longestRun(): number {
    return this.#longestRun;
  }

  /** Milliseconds after which no packet can matter to any sequence seen so far. Grows only. */
  get longestTimeoutMs(): number {
    return this.#longestTimeoutMs;
  }

  has(id: number): boolean {
    return this.#ids.has(id);
  }

  containing(pair: Pair): readonly LiveSequence[] {
    return this.#byPair.get(pair) ?? NONE;
  }

  add(sequence: LiveSequence): void {
    if (this.#ids.has(sequence.id)) return;
    this.#ids.add(sequence.id);
    this.#live?.sequences.add(sequence);
    this.#longestRun = Math.max(this.#longestRun, sequence.pairs.length + sequence.maxStrays);
    this.#longestTimeoutMs = Math.max(this.#longestTimeoutMs, sequence.seqTimeoutMs);
    const { pairs } = sequence;
    for (const [at, pair] of pairs.entries()) {
      if (isRepeated(pairs, at)) continue;
      const others = this.#byPair.get(pair);
      if (others === undefined) {
        this.#byPair.set(pair, [sequence]);
        this.#live?.add(pair);
      } else others.push(sequence);
    }
  }

  /** Lists that were given out stay as they were: whoever goes through one may cause this. */
  remove(sequence: LiveSequence): void {
    if (!this.#ids.delete(sequence.id)) return;
    this.#live?.sequences.delete(sequence);
    for (const pair of sequence.pairs) {
      const others = this.#byPair.get(pair);
      const at = others === undefined ? -1 : others.indexOf(sequence);
      if (others === undefined || at < 0) continue;
      if (others.length > 1) this.#byPair.set(pair, others.toSpliced(at, 1));
      else {
        this.#byPair.delete(pair);
        this.#live?.remove(pair);
      }
    }
  }
}

/** Whether the pair at `at` came before. Sequences are short. */
function isRepeated(pairs: readonly Pair[], at: number): boolean {
  const pair = pairs[at];
  for (let before = 0; before < at; before += 1) if (pairs[before] === pair) return true;
  return false;
}
