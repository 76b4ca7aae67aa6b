/**
 * The engine: the whole decision path from a packet to "admit this source", as a deterministic machine. It owns matchers,
 * live sequences, factor states and grants; it takes inputs with their time and returns effects as data. The daemon
 * carries them out in an order that it may not change: spend durably, journal, open (SPEC section 5.3).
 *
 *   arrive ──> matcher ──> judge ──> Admission ──(daemon: store.spend)──> granted() ──(firewall.open)──> ...
 *                              └───> Refusal                └─ failed: stays spent here, and nothing opens
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

/** Since the start, but for the last three: as of now. */
export interface EngineCounters {
  /** Packets that reached a matcher. */
  readonly eligible: number;
  /** Of these, packets to no live sequence. */
  readonly strays: number;
  /** Sources forgotten for want of room. */
  readonly evictedSources: number;
  /** Sources on their way: they touched two knocks of one sequence lately. */
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
  /** What packets go to that could bring a knock forward. */
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
      const isExempt = (source: AddressKey) => scans.isExempt(source) || this.grants.isIn(source);
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

  /** At most one; undefined ends it. Costs nothing where there is none. */
  observe(observer: Observer | undefined): void {
    this.#observer = observer;
    this.#scopes.observe(observer);
  }

  /** True once the sequence can open nothing any more: it, or a later one of its client, was used, or its line is gone. */
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

  /** The sequences of a listed door: all unspent ones, in the order of use. */
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

  /** Something was spent that this engine has not seen used: what is in progress up to it is void. */
  noteSpent(door: string, client: string, state: FactorState): void {
    this.#live.spend(door, client, state);
  }

  revoke(door: string, client: string): void {
    this.#live.revoke(door, client);
  }

  /** Adds a door, or changes it: clients, lines and grants stay, knocks in progress at it are void. */
  setDoor(door: Door, monoMs: number): void {
    const before = this.door(door.name);
    if (before !== undefined && isDerived(before) !== isDerived(door)) this.removeDoor(door.name);
    else this.#scopes.leave(door.name);
    const { index } = this.#scopes.enter(door);
    this.#longestMs = Math.max(this.#longestMs, door.seqTimeoutMs);
    if (isDerived(door)) this.#live.setDoor(door, index);
    else this.#listed.setDoor(door, index, monoMs);
  }

  /** No sequence opens it any more. Its grants stay, for whoever closes them; what is spent stays spent. */
  removeDoor(name: string): void {
    this.#live.removeDoor(name);
    this.#listed.removeDoor(name);
    this.#scopes.leave(name);
  }

  /** Whether the door and the secret of an admission are still there; it may have waited while they were taken away. */
  isEntitled({ door, client, spend }: Admission): boolean {
    if (spend.kind === 'factor') return this.#live.state(door, client, spend.keyId) !== undefined;
    return this.#listed.door(door) !== undefined;
  }

  /** Remembers that it has been `wallMs`; TOTP doors refuse while the clock stands more than a step before that. */
  noteClock(wallMs: number): void {
    this.#clockHighWater = Math.max(this.#clockHighWater, wallMs);
  }

  /** The administrator says that the clock is right as it is. */
  acceptClock(wallMs: number): void {
    this.#clockHighWater = wallMs;
  }

  /** Whether the clock is good enough for this door; only time steps need one. */
  isClockTrusted(door: Door, wallMs: number): boolean {
    if (door.mode !== 'totp') return true;
    return wallMs >= this.#clockHighWater - door.stepSeconds * 1000;
  }

  /** Derives what has become due, `budget` sequences at most; true when nothing is left. */
  advance(now: Now, budget: number): boolean {
    return this.#live.advance(now.wallMs, now.monoMs, budget);
  }

  /**
   * Takes one packet. `isOwn` says that its destination is one of this host's addresses, `flags` are its TCP flags (of no
   * meaning for UDP). `atMs` is the packet's time on the monotonic clock, `now` the time of processing.
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
    // Where a target is one of our own addresses both kinds of scope see the packet: each has doors of its own.
    const first = this.#watch(this.#scopes.at(destination), atMs, source, pair, flags, now);
    const second = isOwn ? this.#watch(this.#scopes.own(), atMs, source, pair, flags, now) : NONE;
    const effects = second.length === 0 ? first : [...first, ...second];
    if (this.#scans === undefined || !isOwn || isUdp(pair) || (flags & (TCP_SYN | TCP_ACK)) !== TCP_SYN) return effects;
    const scan = this.#scans.countPort(atMs, source, pair, this.#longestMs);
    return scan === undefined ? effects : [...effects, { kind: 'scan', source, isHeldBack: scan === 'many' }];
  }

  /** Packets are missing: whatever is on its way is void, since the strays in it can no longer be counted. */
  noteLoss(): void {
    for (const { matcher } of this.#scopes.all) matcher.forgetAll();
  }

  /** The grant that an admission leads to. It counts from here on: the daemon calls this when the spend is durable. */
  granted(admission: Admission, now: Now): Grant {
    const grant = this.planGrant(admission, now);
    this.grants.set(grant);
    return grant;
  }

  /** The same grant without its effect, for the journal. */
  planGrant({ door, source, client }: Admission, now: Now): Grant {
    return this.grants.extended(door, source, client, this.door(door)?.grantMs ?? 0, now);
  }

  #watch(
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
      const { advances, shown, wrong } = matcher;
      if (completions.length === 0 && advances.length === 0 && shown.length === 0 && wrong.length === 0) {
        continue;
      }
      effects ??= [];
      for (const { sequence, stage } of advances) {
        // The line spent last stays in the index for the sake of replays, which have no stages.
        if (!this.#listed.isUnspent(sequence.door, sequence.factor)) continue;
        effects.push({ kind: 'stage', door: sequence.door, source, stage });
      }
      for (const sequence of shown) {
        const effect = this.#judge.shown(sequence, source, atMs, now);
        if (effect !== undefined) effects.push(effect);
      }
      for (const sequence of wrong) {
        const effect = this.#judge.wentWrong(sequence, source, atMs);
        if (effect !== undefined) effects.push(effect);
      }
      for (const completion of completions) effects.push(this.#judge.completed(completion, now));
    }
    return effects ?? NONE;
  }
}
