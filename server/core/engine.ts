/**
 * Decides, for each packet, whether its source may open a door: the whole path from packet to admission, as a
 * deterministic machine. The engine owns the matchers, the live sequences, the factor states and the grants. Its inputs
 * carry their time; its outputs are effects, as data. The daemon carries the effects out, in an order that it may not
 * change: spend durably, journal, open (SPEC section 5.3).
 *
 *   decidePacket ──> matcher ──> judge ──> Admission ──(daemon: store.spend)──> granted() ──(firewall.open)──> ...
 *                                    └───> Refusal                └─ failed: stays spent here, and nothing opens
 */
import type { AddressKey } from '../../shared/address.ts';
import { isUdp, type Pair } from '../../shared/knock.ts';
import { type Door, type Enrolment, type FactorState, isDerived, type ListedLine, TCP_ACK, TCP_SYN } from './door.ts';
import type { Admission, Effect } from './effects.ts';
import { type Grant, Grants, type Now } from './grants.ts';
import { Judge } from './judge.ts';
import { ListedSet } from './matching/listed-set.ts';
import { LivePairs } from './matching/live-pairs.ts';
import type { LiveSequence } from './matching/live-sequence.ts';
import { LiveSet } from './matching/live-set.ts';
import { DEFAULT_LIMITS, type MatcherLimits } from './matching/matcher.ts';
import type { Observer } from './matching/observer.ts';
import { type ScanLimits, ScanWatch } from './scan-watch.ts';
import { type Scope, Scopes } from './scopes.ts';
import { NO_THROTTLE, type ThrottleLimits } from './throttle.ts';

export type { Admission, Effect } from './effects.ts';

/** `eligible`, `strays` and `evictedSources` count from the start; the others are current numbers. */
export interface EngineCounters {
  /** Packets that reached a matcher. */
  readonly eligible: number;
  /** Eligible packets to a pair of no live sequence. */
  readonly strays: number;
  /** Sources evicted because a table was full. */
  readonly evictedSources: number;
  /** Sources with an attempt under way: they recently sent two knocks of one sequence. */
  readonly attempts: number;
  readonly trackedSources: number;
  readonly liveSequences: number;
}

const NONE: readonly Effect[] = [];

export class Engine {
  readonly #live: LiveSet;
  readonly #listed: ListedSet;
  readonly #judge: Judge;
  readonly #scopes: Scopes;
  #lastId = 0;
  readonly grants = new Grants();
  /** Only packets to these pairs can advance an attempt. */
  readonly livePairs = new LivePairs();
  #clockHighWater = 0;
  #eligible = 0;
  #observer: Observer | undefined;
  readonly #scans: ScanWatch | undefined;
  /** The longest seq_timeout of any door so far. */
  #longestMs = 0;

  constructor(
    server: string,
    doors: readonly Door[],
    limits: MatcherLimits = DEFAULT_LIMITS,
    throttle: ThrottleLimits = NO_THROTTLE,
    scans?: ScanLimits,
  ) {
    this.#scopes = new Scopes(limits, this.livePairs);
    if (scans !== undefined) {
      const isExempt = (source: AddressKey) => scans.isExempt(source) || this.grants.hasSource(source);
      this.#scans = new ScanWatch({ ...scans, isExempt });
    }
    const nextId = () => {
      this.#lastId += 1;
      return this.#lastId;
    };
    this.#live = new LiveSet(server, nextId);
    this.#listed = new ListedSet(nextId);
    this.#judge = new Judge({
      live: this.#live,
      listed: this.#listed,
      throttle,
      isClockTrusted: (door, wallMs) => this.isClockTrusted(door, wallMs),
    });
    for (const door of doors) this.setDoor(door, 0);
  }

  get counters(): EngineCounters {
    const scopes = this.#scopes.all;
    const sum = (of: (scope: Scope) => number): number => scopes.reduce((total, scope) => total + of(scope), 0);
    return {
      eligible: this.#eligible,
      strays: sum(({ matcher }) => matcher.strays),
      attempts: sum(({ matcher }) => matcher.promisingSources),
      trackedSources: sum(({ matcher }) => matcher.trackedSources),
      evictedSources: sum(({ matcher }) => matcher.evictedSources),
      liveSequences: sum(({ index }) => index.size),
    };
  }

  /** Sets the one observer; undefined removes it. Without one it costs nothing. */
  observe(observer: Observer | undefined): void {
    this.#observer = observer;
    this.#scopes.observe(observer);
  }

  /** True once the sequence can open nothing: it is spent, or its line or client is gone. */
  isSpent({ door, client, keyId, factor }: LiveSequence): boolean {
    if (this.#listed.door(door) !== undefined) return !this.#listed.isUnspent(door, factor);
    const state = this.#live.state(door, client, keyId);
    return state === undefined || factor <= state.spent;
  }

  get clockHighWater(): number {
    return this.#clockHighWater;
  }

  enrolments(): readonly { readonly enrolment: Enrolment; readonly state: FactorState }[] {
    return this.#live.enrolments();
  }

  door(name: string): Door | undefined {
    return this.#live.door(name) ?? this.#listed.door(name);
  }

  /** Sets the lines of a listed door: all unspent ones, in the order of use. */
  setLines(door: string, lines: readonly ListedLine[], now: Now): void {
    this.#listed.setLines(door, lines, now.monoMs);
  }

  /** How many unspent lines a listed door has left. */
  linesLeft(door: string): number {
    return this.#listed.left(door);
  }

  enrol(enrolment: Enrolment, state: FactorState): void {
    this.#live.enrol(enrolment, state);
  }

  /** Records a factor that was spent outside this engine. Attempts on factors up to it are void. */
  noteSpent(door: string, client: string, state: FactorState): void {
    this.#live.markSpent(door, client, state);
  }

  revoke(door: string, client: string): void {
    this.#live.revoke(door, client);
  }

  /** Adds or changes a door. Clients, lines and grants stay; attempts are void. */
  setDoor(door: Door, monoMs: number): void {
    const before = this.door(door.name);
    if (before !== undefined && isDerived(before) !== isDerived(door)) this.removeDoor(door.name);
    else this.#scopes.leave(door.name);
    const { index } = this.#scopes.enter(door);
    this.#longestMs = Math.max(this.#longestMs, door.seqTimeoutMs);
    if (isDerived(door)) this.#live.setDoor(door, index);
    else this.#listed.setDoor(door, index, monoMs);
  }

  /** Removes a door. Grants stay until the daemon closes them; spent factors stay spent. */
  removeDoor(name: string): void {
    this.#live.removeDoor(name);
    this.#listed.removeDoor(name);
    this.#scopes.leave(name);
  }

  /** Whether an admission's door and secret still exist: they may be removed while it waits. */
  isEntitled({ door, client, spend }: Admission): boolean {
    if (spend.kind === 'factor') return this.#live.state(door, client, spend.keyId) !== undefined;
    return this.#listed.door(door) !== undefined;
  }

  /** Raises the high-water mark. TOTP doors refuse while the clock is more than a step behind it. */
  noteClock(wallMs: number): void {
    this.#clockHighWater = Math.max(this.#clockHighWater, wallMs);
  }

  /** Sets the high-water mark: the administrator has confirmed the clock. */
  acceptClock(wallMs: number): void {
    this.#clockHighWater = wallMs;
  }

  /** Whether the door can rely on the clock. Only TOTP doors need it. */
  isClockTrusted(door: Door, wallMs: number): boolean {
    if (door.mode !== 'totp') return true;
    return wallMs >= this.#clockHighWater - door.stepSeconds * 1000;
  }

  /** Derives the sequences that are due, about `budget` at most. True when no more are due. */
  advance(now: Now, budget: number): boolean {
    return this.#live.advance(now.wallMs, now.monoMs, budget);
  }

  /**
   * Takes one packet and returns its effects.
   * @param atMs its time, monotonic milliseconds
   * @param flags TCP flags; ignored for UDP
   * @param isOwn it goes to an address of this host
   * @param now time of processing
   */
  decidePacket(
    atMs: number,
    source: AddressKey,
    destination: AddressKey,
    pair: Pair,
    flags: number,
    isOwn: boolean,
    now: Now,
  ): readonly Effect[] {
    this.#observer?.arrived(isOwn || this.#scopes.at(destination) !== undefined);
    // If a target is one of our own addresses, both kinds of scope see the packet: each has its own doors.
    const first = this.#match(this.#scopes.at(destination), atMs, source, pair, flags, now);
    const second = isOwn ? this.#match(this.#scopes.own(), atMs, source, pair, flags, now) : NONE;
    const effects = second.length === 0 ? first : [...first, ...second];
    if (this.#scans === undefined || !isOwn || isUdp(pair) || (flags & (TCP_SYN | TCP_ACK)) !== TCP_SYN) return effects;
    const scan = this.#scans.countPort(atMs, source, pair, this.#longestMs);
    return scan === undefined ? effects : [...effects, { kind: 'scan', source, isHeldBack: scan === 'many' }];
  }

  /** Packets were lost: all attempts are void, because strays may be missing. */
  noteLoss(): void {
    for (const { matcher } of this.#scopes.all) matcher.forgetAll();
  }

  /** Records the grant of an admission and returns it. The daemon calls this once the spend is durable. */
  granted(admission: Admission, now: Now): Grant {
    const grant = this.planGrant(admission, now);
    this.grants.set(grant);
    return grant;
  }

  /** The grant that {@link granted} would record, for the journal. */
  planGrant({ door, source, client }: Admission, now: Now): Grant {
    return this.grants.extended(door, source, client, this.door(door)?.grantMs ?? 0, now);
  }

  #match(
    scopes: readonly Scope[] | undefined,
    atMs: number,
    source: AddressKey,
    pair: Pair,
    flags: number,
    now: Now,
  ): readonly Effect[] {
    if (scopes === undefined) return NONE;
    let effects: Effect[] | undefined;
    for (const { rule, matcher } of scopes) {
      if (!isUdp(pair) && ((flags & rule.set) !== rule.set || (flags & rule.clear) !== 0)) continue;
      this.#eligible += 1;
      this.#observer?.taken();
      const completions = matcher.matchPacket(atMs, source, pair);
      const { advances, contended, wrongCombinations } = matcher;
      if (completions.length + advances.length + contended.length + wrongCombinations.length === 0) {
        continue;
      }
      effects ??= [];
      for (const { sequence, stage } of advances) {
        // The line spent last stays in the index so that replays are logged; a replay has no stages.
        if (!this.#listed.isUnspent(sequence.door, sequence.factor)) continue;
        effects.push({ kind: 'stage', door: sequence.door, source, stage });
      }
      for (const sequence of contended) {
        const effect = this.#judge.contend(sequence, source, atMs, now);
        if (effect !== undefined) effects.push(effect);
      }
      for (const sequence of wrongCombinations) {
        const effect = this.#judge.penalize(sequence, source, atMs);
        if (effect !== undefined) effects.push(effect);
      }
      for (const completion of completions) effects.push(this.#judge.judgeCompletion(completion, now));
    }
    return effects ?? NONE;
  }
}
