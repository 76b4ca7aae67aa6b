/**
 * The matcher: which packets complete which live sequences. Its definition is section 5 of docs/SPEC.md and, as naive
 * code over a list, test/support/reference-matcher.ts; this is the same function with bounded memory and constant work.
 *
 * For one source, take its eligible packets since the sequence became live, count distinct (protocol, port) pairs, and
 * look at the shortest run that ends at the newest packet and holds all knocks (in order, where the sequence is strict).
 * The sequence is completed when that run holds at most n + maxStrays distinct pairs and lasts at most seqTimeoutMs.
 * What completed a sequence is used up for it: a repeated last packet does not complete it again.
 * Nothing else matters: not other sources, not other doors, not what the source sent before.
 *
 * Which packets are eligible (own addresses, SYN without ACK) is decided before; whether a completed sequence may open
 * (spent? in its window?) is policy's business.
 */
import type { AddressKey } from '../../shared/address.ts';
import type { Pair } from '../../shared/knock.ts';
import type { Observer } from './observer.ts';
import type { LiveSequence, SequenceIndex } from './sequence-index.ts';
import { SourceTrack } from './source-track.ts';

export interface Completion {
  readonly sequence: LiveSequence;
  readonly source: AddressKey;
  /** Monotonic milliseconds of the first and the last packet of the completing run. */
  readonly startedAtMs: number;
  readonly completedAtMs: number;
  readonly strays: number;
}

/** A strict sequence that a packet has brought forward, completed or not. */
export interface Advance {
  readonly sequence: LiveSequence;
  readonly source: AddressKey;
  /** Knocks so far, 1 to all of them. */
  readonly stage: number;
}

export interface MatcherLimits {
  /** Sources that have touched a live pair, at most. */
  readonly sources: number;
  /** Sources that have touched two pairs of one live sequence, at most. */
  readonly promisingSources: number;
}

/** Memory stays below some 60 MB when both tables are full of sources with full tracks' typical sizes. */
export const DEFAULT_LIMITS: MatcherLimits = { sources: 65_536, promisingSources: 8_192 };

const NONE: readonly Completion[] = [];
const NO_ADVANCES: readonly Advance[] = [];
const NO_SEQUENCES: readonly LiveSequence[] = [];

export class Matcher {
  readonly #index: SequenceIndex;
  readonly #limits: MatcherLimits;
  /**
   * Insertion order is order of last arrival. Sources move to `promising` when two of their pairs belong to one live
   * sequence: random floods almost never get there, so they cannot push out a knock in progress however many sources
   * they invent; they only push out each other.
   */
  readonly #touched = new Map<AddressKey, SourceTrack>();
  readonly #promising = new Map<AddressKey, SourceTrack>();
  #evicted = 0;
  #strays = 0;
  /** Told of what each packet touches. */
  observer: Observer | undefined;
  #advances = NO_ADVANCES;
  #shown = NO_SEQUENCES;

  constructor(index: SequenceIndex, limits: MatcherLimits = DEFAULT_LIMITS) {
    this.#index = index;
    this.#limits = limits;
  }

  get trackedSources(): number {
    return this.#touched.size + this.#promising.size;
  }

  /** Sources that have touched two pairs of one live sequence lately. */
  get promisingSources(): number {
    return this.#promising.size;
  }

  /** Packets to pairs of no live sequence, ever. */
  get strays(): number {
    return this.#strays;
  }

  /** Sources forgotten for want of room, ever. */
  get evictedSources(): number {
    return this.#evicted;
  }

  /** What the last packet brought forward, of sequences that tell their stages. */
  get advances(): readonly Advance[] {
    return this.#advances;
  }

  /** Sequences of which the last packet, a knock of theirs, shows that its source knows them: `contestFrom` knocks or more. */
  get shown(): readonly LiveSequence[] {
    return this.#shown;
  }

  /** Takes one eligible packet; returns the sequences that it completes, mostly none. Never throws, never waits. */
  arrive(atMs: number, source: AddressKey, pair: Pair): readonly Completion[] {
    this.#expire(atMs);
    this.#advances = NO_ADVANCES;
    this.#shown = NO_SEQUENCES;
    const candidates = this.#index.containing(pair);
    if (candidates.length === 0) this.#strays += 1;
    const known = this.#promising.get(source) ?? this.#touched.get(source);
    // A run starts with a knock of the sequence, so strays of a source that has touched nothing live need no memory.
    if (known === undefined && candidates.length === 0) return NONE;
    const track = known ?? new SourceTrack();
    track.arrive(atMs, pair, this.#index.longestRun);
    let matched = 0;
    let completions: Completion[] | undefined;
    for (const sequence of candidates) {
      const run = sequence.order === 'any' ? track.anyOrderRun(sequence) : track.strictRun(sequence);
      this.observer?.touched(sequence, track.standing(sequence));
      if (sequence.tellsStages === true) this.#noteStage(track, sequence, source);
      if (track.isWithin(sequence, sequence.contestFrom)) this.#shown = [...this.#shown, sequence];
      if ('matched' in run) {
        matched = Math.max(matched, run.matched);
        continue;
      }
      matched = sequence.pairs.length;
      const strays = run.distinct - sequence.pairs.length;
      if (run.startedAtMs < sequence.enteredAtMs) continue;
      if (strays > sequence.maxStrays || atMs - run.startedAtMs > sequence.seqTimeoutMs) continue;
      track.consume(sequence);
      completions ??= [];
      completions.push({
        sequence,
        source,
        startedAtMs: run.startedAtMs,
        completedAtMs: atMs,
        strays: Math.max(strays, 0),
      });
    }
    track.prune(this.#index);
    this.#remember(source, track, matched >= 2);
    return completions ?? NONE;
  }

  /** Forgets everything about a source. */
  forget(source: AddressKey): void {
    this.#touched.delete(source);
    this.#promising.delete(source);
  }

  #noteStage(track: SourceTrack, sequence: LiveSequence, source: AddressKey): void {
    const stage = track.stageReached(sequence);
    if (stage > 0) this.#advances = [...this.#advances, { sequence, source, stage }];
  }

  #remember(source: AddressKey, track: SourceTrack, promising: boolean): void {
    const wasPromising = this.#promising.delete(source);
    if (promising || wasPromising) {
      this.#touched.delete(source);
      this.#promising.set(source, track);
      if (this.#promising.size > this.#limits.promisingSources) this.#evict(this.#promising);
    } else {
      this.#touched.delete(source);
      this.#touched.set(source, track);
      if (this.#touched.size > this.#limits.sources) this.#evict(this.#touched);
    }
  }

  #evict(table: Map<AddressKey, SourceTrack>): void {
    for (const oldest of table.keys()) {
      table.delete(oldest);
      this.#evicted += 1;
      return;
    }
  }

  /** Two of the longest silent sources of each table: constant work a packet, and the tables drain faster than they fill. */
  #expire(atMs: number): void {
    for (const table of [this.#touched, this.#promising]) {
      let looked = 0;
      for (const [source, track] of table) {
        if (looked === 2 || atMs - track.lastAtMs <= this.#index.longestTimeoutMs) break;
        table.delete(source);
        looked += 1;
      }
    }
  }
}
