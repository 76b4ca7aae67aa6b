/**
 * The engine: the whole decision path from a packet to "admit this source", as a deterministic machine. It owns matchers,
 * live sequences, factor states and grants; it takes inputs with their time and returns effects as data. The daemon
 * carries them out in an order that it may not change: spend durably, journal, open (SPEC section 6).
 *
 *   arrive ──> matcher ──> policy ──> Admission ──(daemon: store.spend)──> granted() ──(firewall.open)──> ...
 *                              └────> Refusal                └─ failed: stays spent here, and nothing opens
 */
import type { AddressKey } from '../../shared/address.ts';
import type { Pair } from '../../shared/knock.ts';
import type { DoorPolicy, Enrolment, FactorState } from './door.ts';
import { type Grant, Grants, type Now } from './grants.ts';
import { LiveSet } from './live-set.ts';
import { type Completion, DEFAULT_LIMITS, Matcher, type MatcherLimits } from './matcher.ts';
import { decide, type RefusalReason } from './policy.ts';
import { SequenceIndex } from './sequence-index.ts';

/** A completed sequence that policy accepted. Its factor is spent in memory already. */
export interface Admission {
  readonly kind: 'admit';
  readonly door: string;
  readonly client: string;
  readonly keyId: string;
  readonly source: AddressKey;
  readonly factor: number;
  readonly state: FactorState;
  readonly strays: number;
}

/** A completed sequence that opens nothing. Logged; at a bounded rate, since a replay can be repeated at will. */
export interface Refusal {
  readonly kind: 'refuse';
  readonly door: string;
  readonly client: string;
  readonly source: AddressKey;
  readonly reason: RefusalReason;
}

export type Effect = Admission | Refusal;

interface Scope {
  readonly index: SequenceIndex;
  readonly matcher: Matcher;
}

/** Doors that watch this host's own addresses share one scope; each foreign target has its own. */
const OWN = '';
const NONE: readonly Effect[] = [];

export class Engine {
  readonly #live: LiveSet;
  readonly #scopes = new Map<AddressKey | typeof OWN, Scope>();
  readonly grants = new Grants();
  #clockHighWater = 0;
  #eligible = 0;

  constructor(server: string, doors: readonly DoorPolicy[], limits: MatcherLimits = DEFAULT_LIMITS) {
    for (const { target } of doors) this.#scopeOf(target ?? OWN, limits);
    this.#live = new LiveSet(server, doors, (door) => this.#scopeOf(door.target ?? OWN, limits).index);
  }

  /** Packets that reached a matcher, sources it remembers, sources it had to forget, and sequences it watches for. */
  get counters(): { eligible: number; trackedSources: number; evictedSources: number; liveSequences: number } {
    let trackedSources = 0;
    let evictedSources = 0;
    for (const { matcher } of this.#scopes.values()) {
      trackedSources += matcher.trackedSources;
      evictedSources += matcher.evictedSources;
    }
    return { eligible: this.#eligible, trackedSources, evictedSources, liveSequences: this.#live.size };
  }

  get clockHighWater(): number {
    return this.#clockHighWater;
  }

  enrolments(): readonly { readonly enrolment: Enrolment; readonly state: FactorState }[] {
    return this.#live.enrolments();
  }

  door(name: string): DoorPolicy | undefined {
    return this.#live.door(name);
  }

  enrol(enrolment: Enrolment, state: FactorState): void {
    this.#live.enrol(enrolment, state);
  }

  revoke(door: string, client: string): void {
    this.#live.revoke(door, client);
  }

  setPolicy(policy: DoorPolicy): void {
    this.#live.setPolicy(policy);
  }

  /** Remembers that it has been `wallMs`; TOTP doors refuse while the clock stands more than a step before that. */
  noteClock(wallMs: number): void {
    this.#clockHighWater = Math.max(this.#clockHighWater, wallMs);
  }

  /** The administrator says that the clock is right as it is. */
  acceptClock(wallMs: number): void {
    this.#clockHighWater = wallMs;
  }

  isClockTrusted(door: DoorPolicy, wallMs: number): boolean {
    return wallMs >= this.#clockHighWater - door.stepSeconds * 1000;
  }

  /** Derives what has become due, `budget` sequences at most; true when nothing is left. */
  advance(now: Now, budget: number): boolean {
    return this.#live.advance(now.wallMs, now.monoMs, budget);
  }

  /**
   * Takes one packet. `isOwn` says that its destination is one of this host's addresses. `atMs` is the packet's time on
   * the monotonic clock, `now` the time of processing.
   */
  arrive(
    atMs: number,
    source: AddressKey,
    destination: AddressKey,
    pair: Pair,
    isOwn: boolean,
    now: Now,
  ): readonly Effect[] {
    const target = this.#scopes.get(destination);
    const own = isOwn ? this.#scopes.get(OWN) : undefined;
    if (target === undefined && own === undefined) return NONE;
    this.#eligible += 1;
    // Where a target is one of our own addresses both scopes see the packet: each has doors of its own.
    const first = this.#watch(target, atMs, source, pair, now);
    const second = this.#watch(own, atMs, source, pair, now);
    if (second.length === 0) return first;
    return first.length === 0 ? second : [...first, ...second];
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

  #watch(scope: Scope | undefined, atMs: number, source: AddressKey, pair: Pair, now: Now): readonly Effect[] {
    const completions = scope?.matcher.arrive(atMs, source, pair);
    if (completions === undefined || completions.length === 0) return NONE;
    return completions.map((completion) => this.#decide(completion, now));
  }

  #decide(completion: Completion, now: Now): Effect {
    const { sequence, source, strays } = completion;
    const { door, client, keyId, factor } = sequence;
    const policy = this.#live.door(door);
    const state = this.#live.state(door, client, keyId);
    const refusal = (reason: RefusalReason): Refusal => ({ kind: 'refuse', door, client, source, reason });
    if (policy === undefined || state === undefined) return refusal('outside-window');
    const decision = decide(policy, state, factor, {
      completedWallMs: now.wallMs - elapsedMs(completion.completedAtMs, now),
      startedWallMs: now.wallMs - elapsedMs(completion.startedAtMs, now),
      clockTrusted: this.isClockTrusted(policy, now.wallMs),
    });
    if (!decision.accept) return refusal(decision.reason);
    // Spent in memory before the store is asked: a second completion in the same batch must already be a replay.
    this.#live.spend(door, client, decision.state);
    return { kind: 'admit', door, client, keyId, source, factor, state: decision.state, strays };
  }

  #scopeOf(key: AddressKey | typeof OWN, limits: MatcherLimits): Scope {
    const present = this.#scopes.get(key);
    if (present !== undefined) return present;
    const index = new SequenceIndex();
    const scope = { index, matcher: new Matcher(index, limits) };
    this.#scopes.set(key, scope);
    return scope;
  }
}

/** Whole milliseconds, since wall times are; never negative, since children stamp packets on their own. */
function elapsedMs(atMs: number, now: Now): number {
  return Math.max(0, Math.round(now.monoMs - atMs));
}
