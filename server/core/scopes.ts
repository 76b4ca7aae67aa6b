/**
 * Groups doors into scopes: doors with the same target and the same rule of TCP flags look at the same packets, so they
 * share a matcher and an index. `engine.ts` picks the scopes of a packet.
 */
import type { AddressKey } from '../../shared/address.ts';
import { type Door, OPENING_PACKETS, type TcpFlagRule } from './door.ts';
import type { LivePairs } from './matching/live-pairs.ts';
import { Matcher, type MatcherLimits } from './matching/matcher.ts';
import type { Observer } from './matching/observer.ts';
import { SequenceIndex } from './matching/sequence-index.ts';

export interface Scope {
  readonly rule: TcpFlagRule;
  /** Names of the doors in it. */
  readonly doors: Set<string>;
  readonly index: SequenceIndex;
  readonly matcher: Matcher;
}

/** The key of doors without a target: they watch this host's own addresses. */
const OWN = '';

export class Scopes {
  readonly #scopes = new Map<AddressKey | typeof OWN, Scope[]>();
  readonly #limits: MatcherLimits;
  readonly #livePairs: LivePairs;
  #observer: Observer | undefined;

  constructor(limits: MatcherLimits, livePairs: LivePairs) {
    this.#limits = limits;
    this.#livePairs = livePairs;
  }

  get all(): readonly Scope[] {
    return [...this.#scopes.values()].flat();
  }

  /** Scopes of the doors with this target; undefined for none. */
  at(target: AddressKey): readonly Scope[] | undefined {
    return this.#scopes.get(target);
  }

  own(): readonly Scope[] | undefined {
    return this.#scopes.get(OWN);
  }

  observe(observer: Observer | undefined): void {
    this.#observer = observer;
    for (const { matcher } of this.all) matcher.observer = observer;
  }

  enter({ name, target, tcpFlags = OPENING_PACKETS }: Door): Scope {
    const scopes = this.#scopes.get(target ?? OWN) ?? [];
    this.#scopes.set(target ?? OWN, scopes);
    const present = scopes.find(({ rule }) => rule.set === tcpFlags.set && rule.clear === tcpFlags.clear);
    present?.doors.add(name);
    if (present !== undefined) return present;
    const index = new SequenceIndex(this.#livePairs);
    const scope = { rule: tcpFlags, doors: new Set([name]), index, matcher: new Matcher(index, this.#limits) };
    scope.matcher.observer = this.#observer;
    scopes.push(scope);
    return scope;
  }

  /** Takes a door out. Removes a scope without doors; its index is empty by then. */
  leave(name: string): void {
    for (const [target, scopes] of this.#scopes) {
      for (const { doors } of scopes) doors.delete(name);
      const inUse = scopes.filter(({ doors }) => doors.size > 0);
      if (inUse.length === 0) this.#scopes.delete(target);
      else this.#scopes.set(target, inUse);
    }
  }
}
