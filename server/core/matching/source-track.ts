/**
 * The track of one source: its recent distinct pairs in the order of their last arrival, and its progress on strict
 * sequences. Its size is bounded by the longest run that could still complete a sequence. `matcher.ts` expires tracks
 * and makes completions of runs.
 */
import type { Pair } from '../../../shared/knock.ts';
import { StagedAttempts } from './bound-attempt.ts';
import type { LiveSequence } from './live-sequence.ts';
import type { Standing } from './observer.ts';
import type { PenaltyWatch } from './penalty-watch.ts';
import type { SequenceIndex } from './sequence-index.ts';

/** A run of packets that holds a whole sequence and ends at the newest packet. */
export interface Run {
  /** Monotonic milliseconds of its first packet. */
  readonly startedAtMs: number;
  /** The pair of that packet. */
  readonly first: Pair;
  /** Distinct pairs in it. */
  readonly distinct: number;
}

interface Progress {
  readonly sequence: LiveSequence;
  /** For each prefix of the sequence: arrival number and time of the latest possible start of a run that holds it. */
  readonly numbers: number[];
  readonly times: number[];
  /** The stage that was reported last, and when. */
  reportedStage: number;
  reportedAtMs: number;
}

export class SourceTrack {
  /** Distinct pairs, oldest last arrival first. The next two arrays are parallel to it. */
  readonly #pairs: Pair[] = [];
  readonly #times: number[] = [];
  readonly #numbers: number[] = [];
  readonly #progress = new Map<number, Progress>();
  /** By completed sequence: the completing arrival. Arrivals up to it are used up for that sequence. */
  readonly #consumed = new Map<number, number>();
  /** Attempts at doors that bind; undefined for most sources. */
  staged: StagedAttempts | undefined;
  #arrivals = 0;
  /** The arrival number of the newest pair that was forgotten in a full track. */
  #forgotten = -1;
  #pruneAt = 16;
  lastAtMs = 0;
  /** Set at doors with penalties. */
  penaltyWatch: PenaltyWatch | undefined;

  /** Makes `pair` the newest; forgets the oldest pair beyond `capacity`. A known pair moves and takes no more room. */
  addPair(atMs: number, pair: Pair, capacity: number): void {
    const { length } = this.#pairs;
    let at = this.#pairs.lastIndexOf(pair);
    if (at < 0 && length >= capacity) {
      at = 0;
      this.#forgotten = this.#numbers[0] ?? -1;
    }
    const last = at < 0 ? length : length - 1;
    // Plain loops, because this is the hot path: copyWithin and splice are several times slower on arrays of numbers.
    for (let i = at < 0 ? length : at; i < last; i += 1) {
      this.#pairs[i] = this.#pairs[i + 1] ?? 0;
      this.#times[i] = this.#times[i + 1] ?? 0;
      this.#numbers[i] = this.#numbers[i + 1] ?? 0;
    }
    this.#pairs[last] = pair;
    this.#times[last] = atMs;
    this.#numbers[last] = this.#arrivals;
    this.#arrivals += 1;
    this.lastAtMs = atMs;
  }

  /**
   * The shortest run that ends at the newest packet and holds every pair of `sequence`, in any order: it starts at the
   * oldest of their last arrivals. Without one, `matched` is how many pairs were found before the search stopped: at
   * least 1 for a sequence that holds the newest pair.
   */
  anyOrderRun(sequence: LiveSequence): Run | { readonly matched: number } {
    let oldest = this.#pairs.length;
    let matched = 0;
    for (const pair of sequence.pairs) {
      const at = this.#pairs.lastIndexOf(pair);
      oldest = Math.min(oldest, at);
      if (at >= 0) matched += 1;
      // Goes on until two pairs match, wherever they are in the sequence; then stops at a miss.
      else if (matched >= 2) break;
    }
    // A missing pair makes `oldest` -1, which has no time.
    const startedAtMs = this.#times[oldest];
    if (startedAtMs === undefined) return { matched };
    if ((this.#numbers[oldest] ?? 0) <= (this.#consumed.get(sequence.id) ?? -1)) return { matched };
    return { startedAtMs, first: this.#pairs[oldest] ?? 0, distinct: this.#pairs.length - oldest };
  }

  /**
   * Updates the progress on a strict sequence with the newest packet. Returns the shortest run that ends there and
   * holds the sequence in order, if there is one. A run for a prefix of k + 1 knocks starts where the latest run for k
   * knocks started, so one number for each prefix is enough.
   */
  strictRun(sequence: LiveSequence): Run | { readonly matched: number } {
    const pair = this.#pairs[this.#pairs.length - 1];
    const known = this.#progress.get(sequence.id);
    if (known === undefined && sequence.pairs[0] !== pair) return { matched: 1 };
    const { numbers, times } = known ?? this.#begin(sequence);
    for (let knock = sequence.pairs.length - 1; knock >= 0; knock -= 1) {
      if (sequence.pairs[knock] !== pair) continue;
      numbers[knock] = (knock === 0 ? this.#arrivals - 1 : numbers[knock - 1]) ?? -1;
      times[knock] = (knock === 0 ? this.lastAtMs : times[knock - 1]) ?? 0;
    }
    const last = sequence.pairs.length - 1;
    const started = numbers[last] ?? -1;
    // Only a run that ends at this packet counts, so this packet must be the last knock.
    if (sequence.pairs[last] !== pair || started < 0) {
      return { matched: numbers.reduce((sum, number) => sum + (number >= 0 ? 1 : 0), 0) };
    }
    // A run that starts before the newest forgotten pair holds more distinct pairs than any sequence allows.
    const begun = { startedAtMs: times[last] ?? 0, first: sequence.pairs[0] ?? 0 };
    return { ...begun, distinct: this.#isRemembered(started) ? this.#distinctSince(started) : this.#pairs.length + 1 };
  }

  /**
   * The stage that the newest packet reached on a strict sequence: the knocks of a run that can still complete it. 0 if
   * the packet advanced no run, or only repeated the knock that was reported last. Call {@link strictRun} first.
   */
  stageReached(sequence: LiveSequence): number {
    const progress = this.#progress.get(sequence.id);
    if (progress === undefined) return 0;
    const pair = this.#pairs[this.#pairs.length - 1];
    for (let knock = sequence.pairs.length - 1; knock >= 0; knock -= 1) {
      if (sequence.pairs[knock] !== pair) continue;
      const started = progress.numbers[knock] ?? -1;
      if (!this.#isRemembered(started) || !this.#isInTime(sequence, progress.times[knock] ?? 0)) continue;
      const stage = knock + 1;
      if (this.#distinctSince(started) - stage > sequence.maxStrays) continue;
      if (stage === progress.reportedStage && this.lastAtMs - progress.reportedAtMs <= sequence.seqTimeoutMs) return 0;
      progress.reportedStage = stage;
      progress.reportedAtMs = this.lastAtMs;
      return stage;
    }
    return 0;
  }

  /** For an observer: the progress after the newest packet, a knock of `sequence`. Compute the run first. */
  standing(sequence: LiveSequence): Standing {
    return standingOf(sequence, this.#runsOf(sequence), this.lastAtMs);
  }

  /** Runs that end at the newest packet, one for each number of knocks in them; fewer knocks first. */
  #runsOf(sequence: LiveSequence): readonly PartialRun[] {
    const runOf = (knocks: number, distinct: number, startedAtMs: number): PartialRun => ({
      knocks,
      strays: Math.max(distinct - knocks, 0),
      startedAtMs,
    });
    if (sequence.order === 'any') {
      const consumed = this.#consumed.get(sequence.id) ?? -1;
      return sequence.pairs
        .map((pair) => this.#pairs.lastIndexOf(pair))
        .filter((at) => at >= 0 && (this.#numbers[at] ?? 0) > consumed)
        .sort((a, b) => b - a)
        .map((at, before) => runOf(before + 1, this.#pairs.length - at, this.#times[at] ?? 0));
    }
    const progress = this.#progress.get(sequence.id);
    return sequence.pairs.flatMap((pair, knock) => {
      const started = progress?.numbers[knock] ?? -1;
      if (pair !== this.#pairs.at(-1) || !this.#isRemembered(started)) return [];
      return [runOf(knock + 1, this.#distinctSince(started), progress?.times[knock] ?? 0)];
    });
  }

  /**
   * Whether a run that ends at the newest packet holds `knocks` knocks of the sequence (the first ones in order, if it
   * is strict), within seq_timeout and the stray budget. False if `knocks` is undefined. Compute the run first.
   */
  isWithin(sequence: LiveSequence, knocks: number | undefined): boolean {
    if (knocks === undefined) return false;
    return (this.fewestStrays(sequence, knocks) ?? Number.POSITIVE_INFINITY) <= sequence.maxStrays;
  }

  /** The fewest strays of a run that ends at the newest packet, within seq_timeout, with `knocks` knocks or more. */
  fewestStrays(sequence: LiveSequence, knocks: number): number | undefined {
    if (sequence.order === 'any') {
      const consumed = this.#consumed.get(sequence.id) ?? -1;
      const places = sequence.pairs.map((pair) => this.#pairs.lastIndexOf(pair)).sort((a, b) => b - a);
      const first = places[knocks - 1] ?? -1;
      if ((this.#numbers[first] ?? -1) <= consumed || !this.#isInTime(sequence, this.#times[first] ?? 0))
        return undefined;
      return this.#pairs.length - first - knocks;
    }
    const progress = this.#progress.get(sequence.id);
    let fewest: number | undefined;
    for (let held = knocks; progress !== undefined && held <= sequence.pairs.length; held += 1) {
      const started = progress.numbers[held - 1] ?? -1;
      if (!this.#isRemembered(started) || !this.#isInTime(sequence, progress.times[held - 1] ?? 0)) continue;
      const strays = Math.max(this.#distinctSince(started) - held, 0);
      fewest = Math.min(fewest ?? strays, strays);
    }
    return fewest;
  }

  /** How many of these pairs are among this source's recent packets. */
  count(pairs: readonly Pair[]): number {
    return pairs.reduce((sum, pair) => sum + (this.#pairs.includes(pair) ? 1 : 0), 0);
  }

  /**
   * Stages the whole attempt of a first part that the newest packet completed; it takes over the progress of the first
   * part. False if it is staged already.
   * @param secondOf derives the second part; called once, for a source that has knocked the whole first part
   */
  stage(first: LiveSequence, secondOf: () => readonly Pair[]): boolean {
    this.staged ??= new StagedAttempts();
    if (this.staged.has(first)) return false;
    const { whole } = this.staged.stage(first, secondOf());
    const known = this.#progress.get(first.id);
    // Only strict sequences have progress.
    if (known === undefined) return true;
    const progress = this.#begin(whole);
    for (let knock = 0; knock < known.numbers.length; knock += 1) {
      progress.numbers[knock] = known.numbers[knock] ?? -1;
      progress.times[knock] = known.times[knock] ?? 0;
    }
    return true;
  }

  /** Call when the newest packet completed `sequence`: packets up to it no longer count for that sequence. */
  consume(sequence: LiveSequence): void {
    this.#progress.delete(sequence.id);
    this.#consumed.set(sequence.id, this.#arrivals - 1);
  }

  /** Drops progress on removed sequences, and on those whose latest run is forgotten. Amortized. */
  prune(index: SequenceIndex): void {
    if (this.#progress.size + this.#consumed.size < this.#pruneAt) return;
    const oldest = this.#numbers[0] ?? 0;
    // A staged attempt has the negated id of its first part, and lives as long.
    const isLive = (id: number): boolean => index.has(Math.abs(id));
    for (const [id, number] of this.#consumed) if (!isLive(id) || number < oldest) this.#consumed.delete(id);
    for (const [id, { numbers }] of this.#progress) {
      if (!isLive(id) || (numbers[0] ?? -1) < oldest) this.#progress.delete(id);
    }
    this.#pruneAt = Math.max(16, (this.#progress.size + this.#consumed.size) * 2);
  }

  /** Whether all pairs of a run that started with this arrival are remembered; false for -1, which means no run. */
  #isRemembered(started: number): boolean {
    return started > this.#forgotten;
  }

  /** Distinct pairs of a run that started with this arrival. */
  #distinctSince(started: number): number {
    let first = this.#pairs.length - 1;
    while (first > 0 && (this.#numbers[first - 1] ?? -1) >= started) first -= 1;
    return this.#pairs.length - first;
  }

  #isInTime({ enteredAtMs, seqTimeoutMs }: LiveSequence, startedAtMs: number): boolean {
    return startedAtMs >= enteredAtMs && this.lastAtMs - startedAtMs <= seqTimeoutMs;
  }

  #begin(sequence: LiveSequence): Progress {
    const progress: Progress = {
      sequence,
      numbers: new Array<number>(sequence.pairs.length).fill(-1),
      times: new Array<number>(sequence.pairs.length).fill(0),
      reportedStage: 0,
      reportedAtMs: 0,
    };
    this.#progress.set(sequence.id, progress);
    return progress;
  }
}

/** A run that ends at the newest packet and holds some of a sequence's knocks. */
interface PartialRun {
  readonly knocks: number;
  readonly strays: number;
  readonly startedAtMs: number;
}

function standingOf(sequence: LiveSequence, runs: readonly PartialRun[], nowMs: number): Standing {
  const withinBudget = runs.filter(({ strays }) => strays <= sequence.maxStrays);
  const best = withinBudget.findLast(
    ({ startedAtMs }) => startedAtMs >= sequence.enteredAtMs && nowMs - startedAtMs <= sequence.seqTimeoutMs,
  );
  return {
    knocks: best?.knocks ?? 0,
    untimed: withinBudget.at(-1)?.knocks ?? 0,
    seen: runs.at(-1)?.knocks ?? 0,
    strays: best?.strays ?? 0,
    startedAtMs: best?.startedAtMs ?? nowMs,
  };
}
