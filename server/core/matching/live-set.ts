/**
 * Keeps the live sequences of derived doors: for each enrolment, the factors that its door accepts now, soon, or
 * accepted a moment ago. Updates the matcher's index in pieces of bounded work, because deriving for thousands of
 * clients at once would stall the packet path. Time comes as an argument.
 */
import { type AddressKey, addressBytes } from '../../../shared/address.ts';
import { type DerivationKey, derivePairs, type Identity, type Shape } from '../../../shared/derive.ts';
import type { Pair } from '../../../shared/knock.ts';
import { contestFrom } from '../contest.ts';
import type { DoorPolicy, Enrolment, FactorState } from '../door.ts';
import { acceptableFactors, type FactorRange } from '../policy.ts';
import { firstPartStrays } from './bound-attempt.ts';
import type { LiveSequence } from './live-sequence.ts';
import { penaltyFrom } from './penalty.ts';
import type { SequenceIndex } from './sequence-index.ts';

interface Entry {
  readonly door: DoorEntry;
  readonly enrolment: Enrolment;
  state: FactorState;
  /** One for each live factor; few. */
  readonly sequences: LiveSequence[];
  /** The wanted range at the last visit; a visit with the same range costs nothing. */
  visited: FactorRange | undefined;
}

/** What a door's policy sets for all of its sequences. */
type Terms = Pick<LiveSequence, 'maxStrays' | 'contestFrom' | 'penaltyFrom'>;

interface DoorEntry {
  policy: DoorPolicy;
  terms: Terms;
  index: SequenceIndex;
  readonly entries: Map<string, Entry>;
  /** The wanted range of an unused client without drift. When it moves, every entry is due. */
  edge: string;
}

/** A sequence is derived at least this many milliseconds before its window, to leave time for the work in pieces. */
const LEAD_MS = 2_000;

export class LiveSet {
  readonly #server: string;
  readonly #doors = new Map<string, DoorEntry>();
  readonly #due: Entry[] = [];
  /**
   * Factor states of revoked enrolments. If a client returns, what was spent in memory stays spent, even if the store
   * has not recorded it yet. Grows with revocations by the administrator, not with packets.
   */
  readonly #removed = new Map<string, FactorState>();
  readonly #nextId: () => number;

  constructor(server: string, nextId: () => number) {
    this.#server = server;
    this.#nextId = nextId;
  }

  door(name: string): DoorPolicy | undefined {
    return this.#doors.get(name)?.policy;
  }

  enrolments(): readonly { readonly enrolment: Enrolment; readonly state: FactorState }[] {
    return [...this.#doors.values()].flatMap(({ entries }) => [...entries.values()]);
  }

  /** The factor state of an enrolment; undefined when no enrolment has that secret. */
  state(door: string, client: string, keyId: string): FactorState | undefined {
    const entry = this.#doors.get(door)?.entries.get(client);
    return entry?.enrolment.keyId === keyId ? entry.state : undefined;
  }

  /** Adds an enrolment, or replaces that client's. The next {@link advance} derives its sequences. */
  enrol(enrolment: Enrolment, state: FactorState): void {
    const door = this.#doors.get(enrolment.door);
    if (door === undefined) return;
    this.revoke(enrolment.door, enrolment.client);
    const known = this.#removed.get(ownerOf(enrolment));
    const newest = known !== undefined && known.spent > state.spent ? known : state;
    const entry: Entry = { door, enrolment, state: newest, sequences: [], visited: undefined };
    door.entries.set(enrolment.client, entry);
    this.#due.push(entry);
  }

  /** Removes a client from a door at once. */
  revoke(doorName: string, client: string): void {
    const door = this.#doors.get(doorName);
    const entry = door?.entries.get(client);
    if (door === undefined || entry === undefined) return;
    for (const sequence of entry.sequences.splice(0)) door.index.remove(sequence);
    door.entries.delete(client);
    if (entry.state.spent >= 0) this.#removed.set(ownerOf(entry.enrolment), entry.state);
  }

  /** Sets the spent factor. Attempts on earlier factors are void at once; the next HOTP sequences become due. */
  markSpent(doorName: string, client: string, state: FactorState): void {
    const door = this.#doors.get(doorName);
    const entry = door?.entries.get(client);
    if (door === undefined || entry === undefined) return;
    entry.state = state;
    entry.visited = undefined;
    this.#drop(door, entry, { from: state.spent, to: Number.POSITIVE_INFINITY });
    this.#due.push(entry);
  }

  /**
   * Adds or changes a door. A changed door derives its sequences again, and attempts in progress are void. Doors that
   * watch different addresses have different indexes.
   */
  setDoor(policy: DoorPolicy, index: SequenceIndex): void {
    const door = this.#doors.get(policy.name);
    if (door === undefined) {
      this.#doors.set(policy.name, { policy, terms: termsOf(policy), index, entries: new Map(), edge: '' });
      return;
    }
    for (const entry of door.entries.values()) {
      this.#drop(door, entry, { from: 0, to: -1 });
      entry.visited = undefined;
      this.#due.push(entry);
    }
    door.policy = policy;
    door.terms = termsOf(policy);
    door.index = index;
  }

  /** Removes a door and all its enrolments. */
  removeDoor(name: string): void {
    for (const client of [...(this.#doors.get(name)?.entries.keys() ?? [])]) this.revoke(name, client);
    this.#doors.delete(name);
  }

  /**
   * Updates the index; derives about `budget` sequences at most. True when no enrolment is due. `wallMs` selects the
   * factors; packets count for new sequences from `monoMs`.
   */
  advance(wallMs: number, monoMs: number, budget: number): boolean {
    for (const door of this.#doors.values()) {
      const { from, to } = this.#wanted(door.policy, { spent: -1, drift: 0 }, wallMs);
      const edge = `${from}-${to}`;
      if (edge === door.edge) continue;
      door.edge = edge;
      for (const entry of door.entries.values()) this.#due.push(entry);
    }
    let derived = 0;
    while (derived < budget) {
      const next = this.#due.pop();
      if (next === undefined) return true;
      derived += this.#visit(next, wallMs, monoMs);
    }
    return this.#due.length === 0;
  }

  #visit(entry: Entry, wallMs: number, monoMs: number): number {
    const { door, enrolment } = entry;
    if (door.entries.get(enrolment.client) !== entry) return 0;
    const wanted = this.#wanted(door.policy, entry.state, wallMs);
    if (entry.visited?.from === wanted.from && entry.visited.to === wanted.to) return 0;
    entry.visited = wanted;
    // The spent sequence stays for as long as it would be live, so that a replay is refused and logged.
    const { spent } = entry.state;
    this.#drop(door, entry, { from: wanted.from === spent + 1 ? spent : wanted.from, to: wanted.to });
    let derived = 0;
    for (let factor = wanted.from; factor <= wanted.to; factor += 1) {
      if (entry.sequences.some((sequence) => sequence.factor === factor)) continue;
      const sequence = this.#derive(door, enrolment, factor, monoMs);
      entry.sequences.push(sequence);
      door.index.add(sequence);
      derived += 1;
    }
    return derived;
  }

  /** Factors acceptable one seq_timeout ago, now, or within the lead: knocks may cross a step's edge. */
  #wanted(policy: DoorPolicy, state: FactorState, wallMs: number): FactorRange {
    const before = acceptableFactors(policy, state, Math.max(wallMs - policy.seqTimeoutMs, 0));
    const after = acceptableFactors(policy, state, wallMs + Math.max(policy.seqTimeoutMs, LEAD_MS));
    return { from: before.from, to: after.to };
  }

  #drop(door: DoorEntry, entry: Entry, keep: FactorRange): void {
    let count = 0;
    for (const sequence of entry.sequences) {
      if (sequence.factor >= keep.from && sequence.factor <= keep.to) {
        entry.sequences[count] = sequence;
        count += 1;
      } else door.index.remove(sequence);
    }
    entry.sequences.length = count;
  }

  #derive({ policy, terms }: DoorEntry, enrolment: Enrolment, factor: number, monoMs: number): LiveSequence {
    const { client, key, keyId } = enrolment;
    const identity = { server: this.#server, door: policy.name, client, mode: policy.mode };
    // One literal: a step makes one for each of ten thousand clients, and composing it from parts takes three times as
    // long.
    return {
      id: this.#nextId(),
      door: policy.name,
      client,
      keyId,
      factor,
      pairs: derivePairs(key, identity, factor, policy.shape),
      order: policy.order,
      seqTimeoutMs: policy.seqTimeoutMs,
      maxStrays: terms.maxStrays,
      enteredAtMs: monoMs,
      secondPart: policy.bindsSource === true ? secondPartOf(key, identity, factor, policy.shape) : undefined,
      contestFrom: terms.contestFrom,
      penaltyFrom: terms.penaltyFrom,
    };
  }
}

function termsOf({ shape: { knocks }, maxStrays, bindsSource, penaltyMs }: DoorPolicy): Terms {
  const binds = bindsSource === true;
  return {
    maxStrays: binds ? firstPartStrays(knocks, maxStrays) : maxStrays,
    // A copied first part opens nothing by itself, so knowing it contests nothing.
    contestFrom: binds ? undefined : contestFrom(knocks),
    penaltyFrom: penaltyMs === undefined ? undefined : penaltyFrom(knocks),
  };
}

function secondPartOf(
  key: DerivationKey,
  identity: Identity,
  factor: number,
  shape: Shape,
): (source: AddressKey) => readonly Pair[] {
  return (source) => derivePairs(key, { ...identity, boundSource: addressBytes(source) }, factor, shape);
}

function ownerOf({ door, client, keyId }: Enrolment): string {
  return [door, client, keyId].join('\0');
}
