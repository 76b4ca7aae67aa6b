/**
 * Doors by nftables: the port is dropped for everyone but the granted sources, and the kernel ends each grant. Knows when
 * which script is run and what to do when the table is not as we left it; the scripts are nft-script's.
 *
 * When the daemon dies, the table stays: ports stay shut and grants end on time. Established sessions live on after a
 * close, by conntrack: a guarded port must not be exempt from tracking (`notrack`). Guarded are services of this host; what
 * is translated and forwarded elsewhere (a container's published port) does not pass the input hook. A session that is
 * older than conntrack on this host (nothing used it before our first rule) would be taken for new and stall until the
 * host says something in it: so what the kernel has at the guarded ports is let through by address and port. That is read
 * twice, for those who connect between the reading and the table.
 *
 * When somebody takes the table away (`nft flush ruleset`, a firewall manager's reload), the doors are open to everyone
 * and no event tells us. Two things mend it: `guardStands`, which the daemon asks on a timer, compares the table with what
 * `prepare` saw; and any verb that the kernel refuses rebuilds the whole table from what is remembered here, because on
 * an intact table none can fail. Only when that fails too does the verb reject.
 *
 * What lets one connection in (`once`) is the kernel's to know: it may have been used since we looked. So a new table gets
 * such an opening only if it could be taken out of the old one. Where there is no old one it has been used or nobody
 * knows, and it is not given again.
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
  /** Guards connections over `lo` too. Left out by default: programs of this host reach its services unasked. */
  readonly guardLoopback?: boolean;
  /** Milliseconds of a clock that never jumps; default performance.now. */
  readonly now?: () => number;
}

interface Remembered extends Place {
  readonly end: number;
}

/** A grant that is about to end is not said to be used: the kernel's clock and ours need not agree to the millisecond. */
const END_MARGIN_MS = 1000;

export class NftablesFirewall implements Firewall {
  readonly #runner: NftRunner;
  readonly #loopbackToo: boolean;
  readonly #now: () => number;
  /** Undefined until `prepare` and after `release`. */
  #doors: readonly GuardedDoor[] | undefined;
  /** The table as the kernel showed it after the last build, without elements. */
  #layout = '';
  readonly #remembered = new Map<string, Remembered>();
  #last: Promise<unknown> = Promise.resolve();

  /** The runner remains the caller's to close. */
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
        // A killed nft may have got its transaction through. An extension that failed leaves what was granted before.
        if (before === undefined) await this.#runner.run(closeScript(door.name, source)).catch(() => undefined);
        else this.#remembered.set(keyOf(door.name, source), before);
        throw error;
      }
    });
  }

  close(door: ActionDoor, source: AddressKey): Promise<void> {
    return this.#inTurn(async () => {
      this.#remembered.delete(keyOf(door.name, source));
      // A door that a reload has taken out of the configuration has no set, so no source is in it.
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

  /** `given`: the opening that the script adds. */
  async #run(script: string, given?: string): Promise<void> {
    try {
      await this.#runner.run(script);
    } catch (refused) {
      if (this.#doors === undefined) throw refused;
      await this.#build(this.#doors, this.#rememberedOpenings(), given);
    }
  }

  async #build(doors: readonly GuardedDoor[], wanted: readonly Opening[], given?: string): Promise<void> {
    const ports = new Set(
      doors.flatMap(({ services }) => services.filter(({ protocol }) => protocol === 'tcp').map(({ port }) => port)),
    );
    const before = await olderSessions(ports);
    // At the last moment: whoever comes between has to send his SYN again.
    const taken: Opening[] = [];
    const openings: Opening[] = [];
    for (const opening of wanted) {
      const isOnce = doors.some(({ name, once }) => once && name === opening.door);
      const isGiven = keyOf(opening.door, opening.source) === given;
      if (isOnce && !isGiven && !(await this.#take(opening))) continue;
      if (isOnce && !isGiven) taken.push(opening);
      openings.push(opening);
    }
    try {
      await this.#runner.run(tableScript(doors, openings, before, this.#loopbackToo));
    } catch (error) {
      // The old table stands, where there is one.
      for (const { door, source, remainingMs } of taken) {
        await this.#runner.run(openScript(door, source, remainingMs)).catch(() => undefined);
      }
      throw error;
    }
    this.#doors = doors;
    const late = lateSessions(before, await olderSessions(ports));
    // The table stands: a script that fails now costs the newest sessions a stall, not the doors their guard.
    if (late.length > 0) await this.#runner.run(olderScript(late)).catch(() => undefined);
    this.#layout = doors.length === 0 ? '' : await this.#runner.list(LIST_SCRIPT, 'layout');
  }

  /** False when it was not there. */
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

  /** One verb after the other: a rebuild in the midst of another verb would undo it. */
  #inTurn<T>(verb: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(verb);
    this.#last = turn.catch(() => undefined);
    return turn;
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
