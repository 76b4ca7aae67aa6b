/**
 * Backend for doors by command: a start command lets a source in, a stop command ends that, as in knockd. No shell runs
 * unless the door asks for one. Decides when each command runs, for which source and as which user.
 *
 * - The effect of a start command survives this process. So `close` runs the stop command of every opening in the
 *   journal.
 * - A start command is not run again for a source that is already in: a second identical rule would outlive the one
 *   stop.
 * - A failed start may have done half of its work. Its stop runs at once, because a rejected opening must leave nothing
 *   open.
 * - After a failed stop the source is in doubt: the next opening or closing runs the stop command again first.
 * - A door without a stop command holds no openings: it runs its one command at every knock. Knockd's pairs of doors
 *   ([openSSH] and [closeSSH]) work like this.
 */
import { type AddressKey, formatAddress, isIpv4 } from '../../shared/address.ts';
import { KnockError } from '../../shared/errors.ts';
import { argumentsFor, type CommandLine, parseCommandLine, parseShellLine } from '../process/command-line.ts';
import { asUser } from '../process/other-user.ts';
import { CommandNotStarted, runCommand } from '../process/run-command.ts';
import { userOf } from '../process/user-of.ts';
import type { ActionDoor, DoorAction, Firewall, Opening } from './firewall.ts';

export interface CommandOptions {
  /** Milliseconds for one command of a door that does not say itself; default 10,000. */
  readonly timeoutMs?: number;
  /** Monotonic milliseconds; default performance.now. */
  readonly now?: () => number;
}

/** Commands that run at once; further ones wait. An outage can leave thousands of overdue closes. */
const MAX_RUNNING = 8;

interface Held {
  readonly door: ActionDoor;
  readonly source: AddressKey;
  end: number;
  /** The stop command failed: the source may still be in. */
  inDoubt: boolean;
}

export class CommandFirewall implements Firewall {
  readonly #timeoutMs: number;
  readonly #now: () => number;
  readonly #held = new Map<string, Held>();
  /** The last verb of each source, so that its start and stop never overlap. */
  readonly #last = new Map<string, Promise<void>>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(options: CommandOptions = {}) {
    this.#timeoutMs = options.timeoutMs ?? 10_000;
    this.#now = options.now ?? (() => performance.now());
  }

  openingsPersist(_action: DoorAction): boolean {
    return true;
  }

  /** Runs no command: earlier starts are still in effect, and other sources are closed. */
  async prepare(doors: readonly ActionDoor[], openings: readonly Opening[]): Promise<void> {
    const byName = new Map(doors.map((door) => [door.name, door]));
    for (const door of doors) for (const family of [4, 6] as const) commandsOf(door, family);
    this.#held.clear();
    for (const { door: name, source, remainingMs } of openings) {
      const door = byName.get(name);
      if (door === undefined || commandsOf(door, familyOf(source)).stop === undefined) continue;
      this.#held.set(keyOf(name, source), { door, source, end: this.#now() + remainingMs, inDoubt: false });
    }
  }

  open(door: ActionDoor, source: AddressKey, durationMs: number): Promise<void> {
    return this.#inTurn(door, source, async (key) => {
      const { start, stop } = commandsOf(door, familyOf(source));
      const held = this.#held.get(key);
      if (held?.inDoubt) await this.#stop(door, source, key);
      else if (held !== undefined) {
        held.end = this.#now() + durationMs;
        return;
      }
      try {
        if (start !== undefined) await this.#run(start, door, source);
      } catch (error) {
        if (!(error instanceof CommandNotStarted)) await this.#stop(door, source, key).catch(() => undefined);
        throw error;
      }
      if (stop !== undefined) {
        this.#held.set(key, { door, source, end: this.#now() + durationMs, inDoubt: false });
      }
    });
  }

  /** Runs the stop command also for a source that this process does not know: the journal may know more. */
  close(door: ActionDoor, source: AddressKey): Promise<void> {
    return this.#inTurn(door, source, (key) => this.#stop(door, source, key));
  }

  /** Openings that this process made or got from `prepare`. None ends by itself: `remainingMs` is that of the grant. */
  async list(): Promise<readonly Opening[]> {
    const now = this.#now();
    return [...this.#held.values()]
      .filter(({ inDoubt }) => !inDoubt)
      .map(({ door, source, end }) => ({ door: door.name, source, remainingMs: Math.max(0, end - now) }));
  }

  async guardStands(): Promise<boolean> {
    return true;
  }

  /** Stops every held opening once; rejects with the first failure. */
  async release(): Promise<void> {
    const stops = [...this.#held.values()].map(({ door, source }) => this.close(door, source));
    const failed = (await Promise.allSettled(stops)).find((stop) => stop.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  async #stop(door: ActionDoor, source: AddressKey, key: string): Promise<void> {
    const { stop } = commandsOf(door, familyOf(source));
    try {
      if (stop !== undefined) await this.#run(stop, door, source);
      this.#held.delete(key);
    } catch (error) {
      this.#held.set(key, { door, source, end: this.#now(), inDoubt: true });
      throw error;
    }
  }

  #inTurn(door: ActionDoor, source: AddressKey, verb: (key: string) => Promise<void>): Promise<void> {
    const key = keyOf(door.name, source);
    const result = (this.#last.get(key) ?? Promise.resolve()).then(() => verb(key));
    const settled = result
      .catch(() => undefined)
      .then(() => {
        if (this.#last.get(key) === settled) this.#last.delete(key);
      });
    this.#last.set(key, settled);
    return result;
  }

  async #run(command: CommandLine, door: ActionDoor, source: AddressKey): Promise<void> {
    if (this.#running >= MAX_RUNNING) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running += 1;
    try {
      const { runAs, timeoutMs = this.#timeoutMs } = door.action.kind === 'command' ? door.action : {};
      const user = runAs === undefined ? undefined : await userOf(runAs);
      const line = { program: command.program, arguments: argumentsFor(command, source) };
      await runCommand({
        ...(user === undefined ? line : asUser(user, line)),
        environment: { KNOCK_OTP_IP: formatAddress(source), KNOCK_OTP_DOOR: door.name, ...user?.environment },
        timeoutMs,
      });
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}

function keyOf(door: string, source: AddressKey): string {
  return `${door}\0${source}`;
}

type Family = 4 | 6;

function familyOf(source: AddressKey): Family {
  return isIpv4(source) ? 4 : 6;
}

interface Commands {
  readonly start: CommandLine | undefined;
  readonly stop: CommandLine | undefined;
}

/** @throws KnockError CONFIG_INVALID when a line cannot be run, COMMAND when the door does not open by command */
function commandsOf(door: ActionDoor, family: Family): Commands {
  const { action } = door;
  if (action.kind !== 'command') {
    throw new KnockError('COMMAND', `door "${door.name}" opens by ${action.kind}, not by a command`);
  }
  const { start, stop, start6 = start, stop6 = stop } = action;
  const parse = (line: string | undefined): CommandLine | undefined => {
    if (line === undefined || line === '') return undefined;
    return action.shell === true ? parseShellLine(line) : parseCommandLine(line);
  };
  // An empty command means "run nothing" for one address family. Empty for both is a mistake.
  if (start === '' && start6 === '') parseCommandLine(start);
  return family === 4 ? { start: parse(start), stop: parse(stop) } : { start: parse(start6), stop: parse(stop6) };
}
