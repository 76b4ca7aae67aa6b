/**
 * The matcher: which packets complete which live sequences. Its definition is section 5 of docs/SPEC.md and, as naive
 * code over a list, test/support/core/reference-matcher.ts; this is the same function with bounded memory and constant work.
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
import type { AddressKey } from '../../../shared/address.ts';
import type { Pair } from '../../../shared/knock.ts';
import type { LiveSequence } from './live-sequence.ts';
import type { Observer } from './observer.ts';
import { Halfway } from './penalty-watch.ts';
import type { SequenceIndex } from './sequence-index.ts';
import { type Run, SourceTrack } from './source-track.ts';

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
  /** Sources that have knocked two pairs of a second part, at most. */
  readonly boundSources: number;
}

/** Memory stays below some 80 MB when all tables are full of sources with full tracks' typical sizes. */
export const DEFAULT_LIMITS: MatcherLimits = { sources: 65_536, promisingSources: 8_192, boundSources: 4_096 };

/** How far a source has come: it touched a live pair, two of one sequence, two of a second part that is its own. */
type Tier = 0 | 1 | 2;

const NONE: readonly Completion[] = [];
const NO_ADVANCES: readonly Advance[] = [];
const NO_SEQUENCES: readonly LiveSequence[] = [];

export class Matcher {
  readonly #index: SequenceIndex;
  /**
   * Insertion order is order of last arrival. Sources move to `promising` when two of their pairs belong to one live
   * sequence: random floods almost never get there, so they cannot push out a knock in progress however many sources
   * they invent; they only push out each other. Who copies first parts can fill `promising` with invented sources, but not
   * `bound`: two knocks of a second part are known to the holder of the secret, and to who sees him, for his address alone.
   */
  readonly #touched = new Map<AddressKey, SourceTrack>();
  readonly #promising = new Map<AddressKey, SourceTrack>();
  readonly #bound = new Map<AddressKey, SourceTrack>();
  readonly #tiers = [this.#touched, this.#promising, this.#bound] as const;
  readonly #room: readonly number[];
  #evicted = 0;
  #strays = 0;
  /** Told of what each packet touches. */
  observer: Observer | undefined;
  #advances = NO_ADVANCES;
  #shown = NO_SEQUENCES;
  #wrong = NO_SEQUENCES;

  constructor(index: SequenceIndex, limits: MatcherLimits = DEFAULT_LIMITS) {
    this.#index = index;
    this.#room = [limits.sources, limits.promisingSources, limits.boundSources];
  }

  get trackedSources(): number {
    return this.#touched.size + this.#promising.size + this.#bound.size;
  }

  /** Sources that have touched two pairs of one live sequence lately. */
  get promisingSources(): number {
    return this.#promising.size + this.#bound.size;
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

  /** Sequences of which the last packet has made a wrong combination. */
  get wrong(): readonly LiveSequence[] {
    return this.#wrong;
  }

  /** Takes one eligible packet; returns the sequences that it completes, mostly none. Never throws, never waits. */
  matchPacket(atMs: number, source: AddressKey, pair: Pair): readonly Completion[] {
    this.#expire(atMs);
    this.#advances = NO_ADVANCES;
    this.#shown = NO_SEQUENCES;
    this.#wrong = NO_SEQUENCES;
    const candidates = this.#index.containing(pair);
    if (candidates.length === 0) this.#strays += 1;
    const known = this.#bound.get(source) ?? this.#promising.get(source) ?? this.#touched.get(source);
    // A run starts with a knock of the sequence, so strays of a source that has touched nothing live need no memory.
    if (known === undefined && candidates.length === 0) return NONE;
    const track = known ?? new SourceTrack();
    track.addPair(atMs, pair, this.#index.longestRun);
    let tier: Tier = 0;
    let ended: readonly LiveSequence[] | undefined;
    let completions: Completion[] | undefined;
    for (const sequence of candidates) {
      const run = this.#runOf(track, sequence);
      if (sequence.tellsStages === true) this.#noteStage(track, sequence, source);
      if (track.isWithin(sequence, sequence.contestFrom)) this.#shown = [...this.#shown, sequence];
      if (sequence.penaltyFrom !== undefined) noteHalfway(track, sequence);
      if (!('matched' in run) || run.matched >= 2) tier = 1;
      if ('matched' in run || !isWithin(run, sequence, atMs)) continue;
      const { secondPart } = sequence;
      if (secondPart !== undefined) {
        const isNew = track.stage(sequence, () => secondPart(source));
        if (isNew && sequence.order === 'strict') ended = [...(ended ?? []), sequence];
        continue;
      }
      track.consume(sequence);
      completions ??= [];
      completions.push(completionOf(sequence, source, run, atMs));
    }
    for (const { first, second, whole } of track.staged?.containing(pair, this.#index) ?? []) {
      // In strict order the packet that ended the first part is not a knock of the second one too.
      if (ended?.includes(first) === true) continue;
      const run = this.#runOf(track, whole);
      if (track.count(second) >= 2) tier = 2;
      if ('matched' in run || !first.pairs.includes(run.first) || !isWithin(run, whole, atMs)) continue;
      track.consume(first);
      track.consume(whole);
      track.staged?.delete(first);
      completions ??= [];
      completions.push(completionOf(whole, source, run, atMs));
    }
    if (track.halfway !== undefined) this.#wrong = track.halfway.wrong(track).filter(({ id }) => this.#index.has(id));
    track.prune(this.#index);
    this.#remember(source, track, tier);
    return completions ?? NONE;
  }

  /** Forgets everything about a source. */
  forget(source: AddressKey): void {
    for (const table of this.#tiers) table.delete(source);
  }

  /** Forgets everything about everybody: packets are missing, and no run across them has been seen whole. */
  forgetAll(): void {
    for (const table of this.#tiers) table.clear();
  }

  #noteStage(track: SourceTrack, sequence: LiveSequence, source: AddressKey): void {
    const stage = track.stageReached(sequence);
    if (stage > 0) this.#advances = [...this.#advances, { sequence, source, stage }];
  }

  #runOf(track: SourceTrack, sequence: LiveSequence): Run | { readonly matched: number } {
    const run = sequence.order === 'any' ? track.anyOrderRun(sequence) : track.strictRun(sequence);
    this.observer?.touched(sequence, track.standing(sequence));
    return run;
  }

  /** A source never goes down again while it is remembered. */
  #remember(source: AddressKey, track: SourceTrack, reached: Tier): void {
    const was = this.#tiers.findIndex((table) => table.delete(source));
    const tier = Math.max(was, reached);
    const table = this.#tiers[tier] ?? this.#touched;
    table.set(source, track);
    if (table.size > (this.#room[tier] ?? 0)) this.#evict(table);
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
    for (const table of this.#tiers) {
      let looked = 0;
      for (const [source, track] of table) {
        if (looked === 2 || atMs - track.lastAtMs <= this.#index.longestTimeoutMs) break;
        table.delete(source);
        looked += 1;
      }
    }
  }
}

function completionOf(sequence: LiveSequence, source: AddressKey, run: Run, completedAtMs: number): Completion {
  const strays = Math.max(run.distinct - sequence.pairs.length, 0);
  return { sequence, source, startedAtMs: run.startedAtMs, completedAtMs, strays };
}

function noteHalfway(track: SourceTrack, sequence: LiveSequence): void {
  track.halfway ??= new Halfway();
  track.halfway.note(track, sequence);
}

function isWithin(run: Run, sequence: LiveSequence, nowMs: number): boolean {
  if (run.startedAtMs < sequence.enteredAtMs || nowMs - run.startedAtMs > sequence.seqTimeoutMs) return false;
  return run.distinct - sequence.pairs.length <= sequence.maxStrays;
}
