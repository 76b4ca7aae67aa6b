/**
 * Backend for doors by single rules of a firewall that also has other rules. Decides which rules the grants need, adds
 * and removes each rule once even when several doors share it, and runs one verb at a time. Each rule table (ufw.ts,
 * pf.ts, ...) writes the rules of its firewall.
 *
 * `prepare` makes the openings again from the journal, and removes rules of an earlier run that the journal does not
 * know. When the daemon dies, untimed rules stay until its next start.
 */
import type { AddressKey } from '../../../shared/address.ts';
import { KnockError } from '../../../shared/errors.ts';
import type { ActionDoor, DoorAction, Firewall, Opening } from '../firewall.ts';
import { type Rule, type RuleTable, ruleKey, type WantedRule } from './rule-table.ts';

interface Held {
  readonly door: ActionDoor;
  readonly source: AddressKey;
  readonly places: readonly string[];
  readonly end: number;
}

export class RuleFirewall implements Firewall {
  readonly #table: RuleTable;
  readonly #now: () => number;
  /** Undefined until `prepare` and after `release`. */
  #doors: readonly ActionDoor[] | undefined;
  #held = new Map<string, Held>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(table: RuleTable, now: () => number = () => performance.now()) {
    this.#table = table;
    this.#now = now;
  }

  openingsPersist(_action: DoorAction): boolean {
    return false;
  }

  prepare(doors: readonly ActionDoor[], openings: readonly Opening[]): Promise<void> {
    return this.#inTurn(async () => {
      const held = new Map<string, Held>();
      const places = new Set(doors.flatMap((door) => this.#table.placesOf(door)));
      for (const { door: name, source, remainingMs } of openings) {
        const door = doors.find((candidate) => candidate.name === name);
        if (door === undefined || !(remainingMs > 0)) continue;
        const end = this.#now() + remainingMs;
        held.set(keyOf(door.name, source), { door, source, places: this.#table.placesOf(door), end });
      }
      await this.#table.prepare([...places], this.#wantedOf(held));
      this.#held = held;
      this.#doors = doors;
    });
  }

  open(door: ActionDoor, source: AddressKey, durationMs: number): Promise<void> {
    return this.#inTurn(async () => {
      if (!this.#doors?.some(({ name }) => name === door.name)) {
        throw new KnockError(
          'FIREWALL',
          `door "${door.name}" is not among the doors that ${this.#kind} was prepared for`,
        );
      }
      if (!(durationMs > 0)) throw new KnockError('FIREWALL', `cannot open for ${durationMs} ms`);
      this.#forgetEnded();
      const key = keyOf(door.name, source);
      const before = this.#held.get(key);
      const places = this.#table.placesOf(door);
      this.#held.set(key, { door, source, places, end: this.#now() + durationMs });
      try {
        for (const place of places) await this.#table.add(this.#wanted({ place, source }));
      } catch (error) {
        // A failed extension keeps the earlier grant. A failed opening may have added some of its rules: remove them.
        if (before !== undefined) this.#held.set(key, before);
        else {
          this.#held.delete(key);
          for (const place of places) await this.#removeUnheld({ place, source }).catch(() => undefined);
        }
        throw error;
      }
    });
  }

  close(door: ActionDoor, source: AddressKey): Promise<void> {
    return this.#inTurn(async () => {
      const key = keyOf(door.name, source);
      // Also for a source that is not known here: an interrupted add may have left a rule.
      const places = this.#held.get(key)?.places ?? this.#table.placesOf(door);
      const held = this.#held.get(key);
      this.#held.delete(key);
      try {
        for (const place of places) await this.#removeUnheld({ place, source });
      } catch (error) {
        if (held !== undefined) this.#held.set(key, held);
        throw error;
      }
    });
  }

  list(): Promise<readonly Opening[]> {
    return this.#inTurn(async () => {
      this.#forgetEnded();
      const now = this.#now();
      return [...this.#held.values()].map(({ door, source, end }) => ({
        door: door.name,
        source,
        remainingMs: Math.max(0, end - now),
      }));
    });
  }

  guardStands(): Promise<boolean> {
    return this.#inTurn(async () => {
      if (this.#doors === undefined) return false;
      return this.#doors.length === 0 || (await this.#table.stands());
    }).catch(() => false);
  }

  release(): Promise<void> {
    return this.#inTurn(async () => {
      const rules = new Map(this.#wantedOf(this.#held).map((rule) => [ruleKey(rule), rule]));
      this.#held.clear();
      this.#doors = undefined;
      for (const rule of rules.values()) await this.#table.remove(rule);
      await this.#table.release();
    });
  }

  get #kind(): string {
    return this.#table.kind;
  }

  /** Removes the rule unless another door still needs it. */
  async #removeUnheld(rule: Rule): Promise<void> {
    if (!this.#isHeld(rule)) await this.#table.remove(rule);
    // The rule now ends with the other door's grant, which may be sooner.
    else if (this.#table.timed) await this.#table.add(this.#wanted(rule));
  }

  #isHeld(rule: Rule): boolean {
    return [...this.#held.values()].some(({ source, places }) => source === rule.source && places.includes(rule.place));
  }

  /** The rule with the latest end among the grants that need it. */
  #wanted(rule: Rule): WantedRule {
    const holders = [...this.#held.values()].filter(
      ({ source, places }) => source === rule.source && places.includes(rule.place),
    );
    const [first] = holders;
    if (first === undefined) throw new KnockError('FIREWALL', `no door of ${this.#kind} wants this rule`);
    const end = Math.max(...holders.map((held) => held.end));
    return { ...rule, door: first.door.name, remainingMs: Math.max(1, end - this.#now()) };
  }

  #wantedOf(held: ReadonlyMap<string, Held>): readonly WantedRule[] {
    const rules = new Map<string, WantedRule>();
    for (const { door, source, places, end } of held.values()) {
      for (const place of places) {
        const remainingMs = Math.max(1, end - this.#now(), rules.get(ruleKey({ place, source }))?.remainingMs ?? 0);
        rules.set(ruleKey({ place, source }), { place, source, door: door.name, remainingMs });
      }
    }
    return [...rules.values()];
  }

  #forgetEnded(): void {
    if (!this.#table.timed) return;
    const now = this.#now();
    for (const [key, { end }] of this.#held) if (end <= now) this.#held.delete(key);
  }

  /** Runs one verb after the other: two at once would read and then write the same rules. */
  #inTurn<T>(verb: () => Promise<T>): Promise<T> {
    const result = this.#last.then(verb);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

function keyOf(door: string, source: AddressKey): string {
  return `${door}\0${source}`;
}
