/**
 * Backend for doors by nftables: packets to a guarded port are dropped unless their source has a grant, and the kernel
 * ends each grant. `nft-script.ts` writes the scripts; this file decides when which script runs, and repairs the table.
 *
 * - When the daemon dies, the table stays: ports stay shut and grants end on time.
 * - Established sessions live on after a close, by conntrack. So a guarded port must not be exempt from tracking
 *   (`notrack`).
 * - The input hook guards services of this host only. Traffic that is translated and forwarded (a container's published
 *   port) does not pass it.
 * - A session that is older than conntrack on this host (before our first rule nothing used conntrack) looks new, and
 *   would stall until the host sends a packet in it. So the sessions at the guarded ports are let through by addresses
 *   and ports. They are read twice, for clients that connect between the first reading and the table.
 *
 * If another program removes the table (`nft flush ruleset`, a firewall manager's reload), the doors are open to
 * everyone, and no event reports that. Two checks repair it: the daemon calls `guardStands` on a timer, which compares
 * the table with the layout of the last build. And when the kernel refuses a script, the whole table is rebuilt from
 * the openings in memory, because on an intact table no script fails. The verb rejects only when the rebuild fails too.
 *
 * Only the kernel knows whether a once-only opening is still unused. So a new table gets such an opening only if it
 * could be removed from the old table. Without an old table the opening may have been used, so it is not granted again.
 */
import type { AddressKey } from '../../../shared/address.ts';
import { KnockError } from '../../../shared/errors.ts';
import type { NftRunner } from '../../nft/nft-runner.ts';
import type { ActionDoor, DoorAction, Firewall, Opening, Place } from '../firewall.ts';
import { type OlderSession, olderSessions } from '../older-sessions.ts';
import type { GuardedDoor } from './nft-guard-rules.ts';
import {
  closeScript,
  LIST_SCRIPT,
  olderScript,
  openScript,
  parseOpenings,
  REMOVE_SCRIPT,
  tableScript,
  takeScript,
} from './nft-script.ts';

export interface NftablesOptions {
  /** Also guards connections over `lo`. Off by default: programs of this host reach its services without a knock. */
  readonly guardLoopback?: boolean;
  /** Monotonic milliseconds; default performance.now. */
  readonly now?: () => number;
}

interface Remembered extends Place {
  readonly end: number;
}

/** A grant this close to its end is not reported as used: the kernel's clock and ours may differ by milliseconds. */
const END_MARGIN_MS = 1000;

export class NftablesFirewall implements Firewall {
  readonly #runner: NftRunner;
  readonly #loopbackToo: boolean;
  readonly #now: () => number;
  /** Undefined until `prepare` and after `release`. */
  #doors: readonly GuardedDoor[] | undefined;
  /** The table as the kernel listed it after the last build, without elements. */
  #layout = '';
  readonly #remembered = new Map<string, Remembered>();
  #last: Promise<unknown> = Promise.resolve();

  /** The caller closes the runner. */
  constructor(runner: NftRunner, options: NftablesOptions = {}) {
    this.#runner = runner;
    this.#loopbackToo = options.guardLoopback ?? false;
    this.#now = options.now ?? (() => performance.now());
  }

  openingsPersist(_action: DoorAction): boolean {
    return false;
  }

  prepare(doors: readonly ActionDoor[], openings: readonly Opening[]): Promise<void> {
    return this.#inTurn(async () => {
      const guarded = doors.map(guardedDoor);
      await this.#build(guarded, openings);
      this.#remembered.clear();
      for (const { door, source, remainingMs } of openings) this.#remember(door, source, remainingMs);
    });
  }

  open(door: ActionDoor, source: AddressKey, durationMs: number): Promise<void> {
    return this.#inTurn(async () => {
      this.#checkPrepared(door.name);
      const script = openScript(door.name, source, durationMs);
      this.#forgetEnded();
      const before = this.#remembered.get(keyOf(door.name, source));
      this.#remember(door.name, source, durationMs);
      try {
        await this.#run(script, keyOf(door.name, source));
      } catch (error) {
        this.#remembered.delete(keyOf(door.name, source));
        // The transaction of a killed nft may have succeeded. A failed extension keeps the earlier grant.
        if (before === undefined) await this.#runner.run(closeScript(door.name, source)).catch(() => undefined);
        else this.#remembered.set(keyOf(door.name, source), before);
        throw error;
      }
    });
  }

  close(door: ActionDoor, source: AddressKey): Promise<void> {
    return this.#inTurn(async () => {
      this.#remembered.delete(keyOf(door.name, source));
      // A door that a reload removed from the configuration has no set, so no source is in it.
      if (this.#doors?.some(({ name }) => name === door.name)) await this.#run(closeScript(door.name, source));
    });
  }

  list(): Promise<readonly Opening[]> {
    return this.#inTurn(async () => {
      if (this.#doors?.length === 0) return [];
      return parseOpenings(await this.#runner.list(LIST_SCRIPT, 'json'));
    });
  }

  usedUp(): Promise<readonly Place[]> {
    return this.#inTurn(async () => {
      const once = [...this.#remembered.values()].filter(({ door }) => this.#isOnce(door));
      if (once.length === 0) return [];
      const listed = parseOpenings(await this.#runner.list(LIST_SCRIPT, 'json'));
      const present = new Set(listed.map(({ door, source }) => keyOf(door, source)));
      const now = this.#now();
      return once.filter(({ door, source, end }) => end - now > END_MARGIN_MS && !present.has(keyOf(door, source)));
    });
  }

  guardStands(): Promise<boolean> {
    return this.#inTurn(async () => {
      if (this.#doors === undefined) return false;
      if (this.#doors.length === 0) return true;
      return (await this.#runner.list(LIST_SCRIPT, 'layout')) === this.#layout;
    }).catch(() => false);
  }

  release(): Promise<void> {
    return this.#inTurn(async () => {
      this.#doors = undefined;
      this.#remembered.clear();
      await this.#runner.run(REMOVE_SCRIPT);
    });
  }

  /** `added`: the opening that the script adds. */
  async #run(script: string, added?: string): Promise<void> {
    try {
      await this.#runner.run(script);
    } catch (error) {
      if (this.#doors === undefined) throw error;
      await this.#build(this.#doors, this.#rememberedOpenings(), added);
    }
  }

  async #build(doors: readonly GuardedDoor[], wanted: readonly Opening[], added?: string): Promise<void> {
    const ports = new Set(
      doors.flatMap(({ services }) => services.filter(({ protocol }) => protocol === 'tcp').map(({ port }) => port)),
    );
    const before = await olderSessions(ports);
    // At the last moment: a client that connects before the new table is there has to send its SYN again.
    const taken: Opening[] = [];
    const openings: Opening[] = [];
    for (const opening of wanted) {
      const isOnce = doors.some(({ name, once }) => once && name === opening.door);
      const isAdded = keyOf(opening.door, opening.source) === added;
      if (isOnce && !isAdded && !(await this.#take(opening))) continue;
      if (isOnce && !isAdded) taken.push(opening);
      openings.push(opening);
    }
    try {
      await this.#runner.run(tableScript(doors, openings, before, this.#loopbackToo));
    } catch (error) {
      // The old table is still in place, if there was one: restore its once-only openings.
      for (const { door, source, remainingMs } of taken) {
        await this.#runner.run(openScript(door, source, remainingMs)).catch(() => undefined);
      }
      throw error;
    }
    this.#doors = doors;
    const late = lateSessions(before, await olderSessions(ports));
    // The guard is in place: if this script fails, the newest sessions stall, but the doors stay guarded.
    if (late.length > 0) await this.#runner.run(olderScript(late)).catch(() => undefined);
    this.#layout = doors.length === 0 ? '' : await this.#runner.list(LIST_SCRIPT, 'layout');
  }

  /** False when the opening is not there. */
  async #take({ door, source }: Opening): Promise<boolean> {
    try {
      await this.#runner.run(takeScript(door, source));
      return true;
    } catch {
      return false;
    }
  }

  #isOnce(door: string): boolean {
    return this.#doors?.some(({ name, once }) => once && name === door) === true;
  }

  /** Runs one verb after the other: a rebuild during another verb would undo that verb. */
  #inTurn<T>(verb: () => Promise<T>): Promise<T> {
    const result = this.#last.then(verb);
    this.#last = result.catch(() => undefined);
    return result;
  }

  #checkPrepared(door: string): void {
    if (this.#doors?.some(({ name }) => name === door)) return;
    throw new KnockError('FIREWALL', `door "${door}" is not among the doors that nftables was prepared for`);
  }

  #remember(door: string, source: AddressKey, remainingMs: number): void {
    this.#remembered.set(keyOf(door, source), { door, source, end: this.#now() + remainingMs });
  }

  #forgetEnded(): void {
    const now = this.#now();
    for (const [key, { end }] of this.#remembered) if (end <= now) this.#remembered.delete(key);
  }

  #rememberedOpenings(): readonly Opening[] {
    const now = this.#now();
    return [...this.#remembered.values()].map(({ door, source, end }) => ({ door, source, remainingMs: end - now }));
  }
}

function keyOf(door: string, source: AddressKey): string {
  return `${door}\0${source}`;
}

function lateSessions(before: readonly OlderSession[], after: readonly OlderSession[]): readonly OlderSession[] {
  const keyOfSession = ({ source, sourcePort, target, port }: OlderSession) =>
    `${source}${target}${sourcePort} ${port}`;
  const known = new Set(before.map(keyOfSession));
  return after.filter((session) => !known.has(keyOfSession(session)));
}

function guardedDoor(door: ActionDoor): GuardedDoor {
  if (door.action.kind !== 'nftables') {
    throw new KnockError('FIREWALL', `door "${door.name}" opens by ${door.action.kind}, not by nftables`);
  }
  return { name: door.name, services: door.action.services, once: door.action.once === true };
}
