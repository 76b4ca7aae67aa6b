/**
 * Decides which packets complete which live sequences. Section 5 of docs/SPEC.md is the definition;
 * test/support/core/reference-matcher.ts is the same as naive code over a list. This file computes it with bounded
 * memory and constant work for each packet.
 *
 * For one source, take its eligible packets since the sequence became live and count distinct (protocol, port) pairs.
 * Look at the shortest run that ends at the newest packet and holds all knocks (in order, if the sequence is strict).
 * The sequence is completed when that run holds at most n + maxStrays distinct pairs and lasts at most seqTimeoutMs. A
 * completion uses up its packets for that sequence: repeating the last packet does not complete it again. Nothing else
 * counts: no other sources, no other doors, no earlier packets of the source.
 *
 * The caller passes eligible packets only (own addresses, TCP flags). `judge.ts` decides whether a completed sequence
 * opens.
 */
import type { AddressKey } from '../../../shared/address.ts';
import type { Pair } from '../../../shared/knock.ts';
import type { LiveSequence } from './live-sequence.ts';
import type { Observer } from './observer.ts';
import { PenaltyWatch } from './penalty-watch.ts';
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

/** A strict sequence on which a packet has advanced its source, completed or not. */
export interface Advance {
  readonly sequence: LiveSequence;
  readonly source: AddressKey;
  /** Knocks so far, 1 to all of them. */
  readonly stage: number;
}

export interface MatcherLimits {
  /** Maximum of sources that have knocked a live pair. */
  readonly sources: number;
  /** Maximum of sources that have knocked two pairs of one live sequence. */
  readonly promisingSources: number;
  /** Maximum of sources that have knocked two pairs of their second part. */
  readonly boundSources: number;
}

/** With these limits, full tables of sources with typical full tracks stay below about 80 MB. */
export const DEFAULT_LIMITS: MatcherLimits = { sources: 65_536, promisingSources: 8_192, boundSources: 4_096 };

/** Table of a source: 0 after one live pair, 1 after two pairs of a sequence, 2 after two of its own second part. */
type Tier = 0 | 1 | 2;

const NONE: readonly Completion[] = [];
const NO_ADVANCES: readonly Advance[] = [];
const NO_SEQUENCES: readonly LiveSequence[] = [];

export class Matcher {
  readonly #index: SequenceIndex;
  /**
   * Sources by tier, each table in the order of the last packet. A source moves to `promising` when two of its pairs
   * belong to one live sequence. Random floods almost never get there, so invented sources evict each other, not an
   * attempt in progress. An attacker who copies first parts can fill `promising` with invented sources, but not
   * `bound`: only the client and an observer of its knock know two knocks of a second part, and only for the client's
   * address.
   */
  readonly #touched = new Map<AddressKey, SourceTrack>();
  readonly #promising = new Map<AddressKey, SourceTrack>();
  readonly #bound = new Map<AddressKey, SourceTrack>();
  readonly #tiers = [this.#touched, this.#promising, this.#bound] as const;
  readonly #capacities: readonly number[];
  #evicted = 0;
  #strays = 0;
  /** Receives what each packet does; undefined for none. */
  observer: Observer | undefined;
  #advances = NO_ADVANCES;
  #contended = NO_SEQUENCES;
  #wrongCombinations = NO_SEQUENCES;

  constructor(index: SequenceIndex, limits: MatcherLimits = DEFAULT_LIMITS) {
    this.#index = index;
    this.#capacities = [limits.sources, limits.promisingSources, limits.boundSources];
  }

  get trackedSources(): number {
    return this.#touched.size + this.#promising.size + this.#bound.size;
  }

  /** Sources that recently knocked two pairs of one live sequence. */
  get promisingSources(): number {
    return this.#promising.size + this.#bound.size;
  }

  /** Packets to pairs of no live sequence, since the start. */
  get strays(): number {
    return this.#strays;
  }

  /** Sources evicted because a table was full, since the start. */
  get evictedSources(): number {
    return this.#evicted;
  }

  /** Stages that the last packet reached, on sequences that report them. */
  get advances(): readonly Advance[] {
    return this.#advances;
  }

  /** Sequences for which the last packet, a knock of theirs, makes its source a contender. */
  get contended(): readonly LiveSequence[] {
    return this.#contended;
  }

  /** Sequences of which the last packet made a wrong combination. */
  get wrongCombinations(): readonly LiveSequence[] {
    return this.#wrongCombinations;
  }

  /** Takes one eligible packet; returns the sequences that it completes. Never throws. */
  matchPacket(atMs: number, source: AddressKey, pair: Pair): readonly Completion[] {
    this.#expire(atMs);
    this.#advances = NO_ADVANCES;
    this.#contended = NO_SEQUENCES;
    this.#wrongCombinations = NO_SEQUENCES;
    const candidates = this.#index.containing(pair);
    if (candidates.length === 0) this.#strays += 1;
    const known = this.#bound.get(source) ?? this.#promising.get(source) ?? this.#touched.get(source);
    // A run starts with a knock of the sequence, so strays before a source's first live pair need no memory.
    if (known === undefined && candidates.length === 0) return NONE;
    const track = known ?? new SourceTrack();
    track.addPair(atMs, pair, this.#index.longestRun);
    let tier: Tier = 0;
    let ended: readonly LiveSequence[] | undefined;
    let completions: Completion[] | undefined;
    for (const sequence of candidates) {
      const run = this.#runOf(track, sequence);
      if (sequence.reportsStages === true) this.#noteStage(track, sequence, source);
      if (track.isWithin(sequence, sequence.contestFrom)) this.#contended = [...this.#contended, sequence];
      if (sequence.penaltyFrom !== undefined) watchForPenalty(track, sequence);
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
      // In strict order, the packet that ended the first part does not count for the second part too.
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
    if (track.penaltyWatch !== undefined)
      this.#wrongCombinations = track.penaltyWatch.wrongCombinations(track).filter(({ id }) => this.#index.has(id));
    track.prune(this.#index);
    this.#remember(source, track, tier);
    return completions ?? NONE;
  }

  /** Forgets everything about a source. */
  forget(source: AddressKey): void {
    for (const table of this.#tiers) table.delete(source);
  }

  /** Forgets all sources: packets were lost, so no run is complete. */
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

  /** A source's tier never falls while it is remembered. */
  #remember(source: AddressKey, track: SourceTrack, reached: Tier): void {
    const was = this.#tiers.findIndex((table) => table.delete(source));
    const tier = Math.max(was, reached);
    const table = this.#tiers[tier] ?? this.#touched;
    table.set(source, track);
    if (table.size > (this.#capacities[tier] ?? 0)) this.#evict(table);
  }

  #evict(table: Map<AddressKey, SourceTrack>): void {
    for (const oldest of table.keys()) {
      table.delete(oldest);
      this.#evicted += 1;
      return;
    }
  }

  /** Forgets up to two silent sources of each table: constant work, and tables drain faster than they fill. */
  #expire(atMs: number): void {
    for (const table of this.#tiers) {
      let checked = 0;
      for (const [source, track] of table) {
        if (checked === 2 || atMs - track.lastAtMs <= this.#index.longestTimeoutMs) break;
        table.delete(source);
        checked += 1;
      }
    }
  }
}

function completionOf(sequence: LiveSequence, source: AddressKey, run: Run, completedAtMs: number): Completion {
  const strays = Math.max(run.distinct - sequence.pairs.length, 0);
  return { sequence, source, startedAtMs: run.startedAtMs, completedAtMs, strays };
}

function watchForPenalty(track: SourceTrack, sequence: LiveSequence): void {
  track.penaltyWatch ??= new PenaltyWatch();
  track.penaltyWatch.note(track, sequence);
}

function isWithin(run: Run, sequence: LiveSequence, nowMs: number): boolean {
  if (run.startedAtMs < sequence.enteredAtMs || nowMs - run.startedAtMs > sequence.seqTimeoutMs) return false;
  return run.distinct - sequence.pairs.length <= sequence.maxStrays;
}
