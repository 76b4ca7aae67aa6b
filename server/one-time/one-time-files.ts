/**
 * The files of one-time sequences of all doors while the daemon runs: reads them, follows edits, offers the unspent lines
 * and strikes the used ones. Each door for itself: a file that is used up, unreadable or open to others shuts its own door
 * and no other. How an administrator is told what is wrong, and how much is left, is line-reports.ts.
 */
import { KnockError } from '../../shared/errors.ts';
import { OneTimeFile } from '../../shared/files/one-time-file.ts';
import type { LineRef } from '../../shared/formats/sequences-file.ts';
import type { ListedLine } from '../core/door.ts';
import { formatProblemOf } from '../log/error-text.ts';
import type { Log } from '../log/log.ts';
import { DoorLines, type FileNotes, type LineUse, NO_NOTES } from './door-lines.ts';
import { FileWatch } from './file-watch.ts';
import { LineReports, reasonOf } from './line-reports.ts';
import type { LineStriker } from './line-striker.ts';

export interface OneTimeDoor {
  readonly name: string;
  /** Absolute. A file of its own: two doors that share one would take each other's lines. */
  readonly path: string;
  /** Unspent lines that are live at a time, at least 1. */
  readonly lookAhead: number;
}

export interface OneTimeState {
  readonly left: number;
  readonly notes: FileNotes;
  /** Why the door has no lines though its file may hold some. */
  readonly problem?: string;
}

export interface OneTimeFilesOptions {
  readonly doors: readonly OneTimeDoor[];
  readonly log: Log;
  /**
   * The door's unspent lines in the order of use, whenever they are not what was given before; not after a strike, which
   * the engine knows of. A line that was used may still be among them, until its strike is asked for.
   */
  readonly onLines: (door: string, lines: readonly ListedLine[], state: OneTimeState) => void;
  /** From so many lines left on, each use is followed by a warning. Default 10. */
  readonly warnLeft?: number;
  readonly pollMs?: number;
  readonly settleMs?: number;
}

interface Entry {
  door: OneTimeDoor;
  /** Names of all doors that it has been the file of. */
  readonly names: Set<string>;
  readonly file: OneTimeFile;
  readonly lines: DoorLines;
  watch: FileWatch | undefined;
  notes: FileNotes;
  problem: string | undefined;
  /** Ids that the engine was given last, less what was struck since. */
  given: string | undefined;
  /** One thing at a time: what is read before a strike must not be taken for what is there after it. */
  turn: Promise<void>;
}

const DEFAULT_POLL_MS = 5000;
const DEFAULT_SETTLE_MS = 50;

export class OneTimeFiles implements LineStriker {
  readonly #options: OneTimeFilesOptions;
  readonly #reports: LineReports;
  readonly #entries = new Map<string, Entry>();
  /** Files of doors that were taken away, by path: what was used stays used when such a file comes back. */
  readonly #gone = new Map<string, Entry>();
  /** Ids are this process's own, whatever the file: a line of an earlier file of a door must not pass for another. */
  #lastId = 0;
  #stopped = false;

  /** @throws KnockError CONFIG_INVALID when two doors share a file */
  constructor(options: OneTimeFilesOptions) {
    this.#options = options;
    this.#reports = new LineReports(options.log, options.warnLeft);
    const paths = new Set<string>();
    for (const door of options.doors) {
      if (paths.has(door.path)) {
        throw new KnockError('CONFIG_INVALID', `two doors use the sequences of ${door.path}`, {
          hint: 'give each door a file of its own',
        });
      }
      paths.add(door.path);
      this.#entries.set(door.name, this.#newEntry(door));
    }
  }

  /** Reads every file and follows it from here on. Never rejects: what cannot be read is said, and its door is shut. */
  async start(): Promise<void> {
    for (const entry of this.#entries.values()) this.#follow(entry);
    await this.reread();
  }

  /**
   * Follows the files of these doors from here on and no others. A file that comes back is known: what was used of it by
   * then is not offered. Call it when the engine knows the doors, never with two doors of one file. Never rejects.
   */
  async setDoors(doors: readonly OneTimeDoor[]): Promise<void> {
    for (const [name, entry] of this.#entries) {
      if (doors.some((door) => door.name === name && door.path === entry.door.path)) continue;
      entry.watch?.stop();
      entry.watch = undefined;
      this.#entries.delete(name);
      this.#gone.set(entry.door.path, entry);
    }
    const renewed: Entry[] = [];
    for (const door of doors) {
      const present = this.#entries.get(door.name);
      const entry = present ?? this.#gone.get(door.path) ?? this.#newEntry(door);
      entry.door = door;
      entry.names.add(door.name);
      entry.lines.lookAhead = door.lookAhead;
      if (present !== undefined) continue;
      this.#gone.delete(door.path);
      entry.given = undefined;
      this.#entries.set(door.name, entry);
      this.#follow(entry);
      renewed.push(entry);
    }
    await Promise.all(renewed.map((entry) => this.#inTurn(entry, () => this.#read(entry))));
  }

  /** Reads every file now, whether it seems to have changed or not. Never rejects. */
  async reread(): Promise<void> {
    await Promise.all([...this.#entries.values()].map((entry) => this.#inTurn(entry, () => this.#read(entry))));
  }

  /** Follows edits no longer, and waits for what is under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const { watch } of this.#entries.values()) watch?.stop();
    await Promise.all([...this.#entries.values()].map(({ turn }) => turn));
  }

  state(door: string): OneTimeState | undefined {
    const entry = this.#entries.get(door);
    return entry === undefined ? undefined : stateOf(entry);
  }

  /**
   * Durably strikes the line and those before it that were live with it.
   * @throws KnockError STORE or INSECURE_FILE when that could not be done and may be tried again; FACTOR_USED when somebody
   * else struck it before, or took it out of the file. In each case nothing may open.
   */
  async strike(door: string, line: number): Promise<void> {
    // The door may have got another file since the line was used; no two files share an id.
    const entry = [...this.#entries.values(), ...this.#gone.values()].find(
      ({ names, lines }) => names.has(door) && lines.knows(line),
    );
    if (entry === undefined) throw new KnockError('STORE', `door "${door}" has no line of that number`);
    if (entry.lines.isStruck(line)) return;
    // Before its turn comes: whatever is read meanwhile must not offer it again.
    const use = entry.lines.begin(line);
    if (use === undefined) throw new KnockError('STORE', `door "${door}" has no line of that number`);
    entry.given = idsOf(entry);
    await this.#inTurn(entry, () => this.#strike(entry, use));
  }

  #newEntry(door: OneTimeDoor): Entry {
    const nextId = () => {
      this.#lastId += 1;
      return this.#lastId;
    };
    return {
      door,
      names: new Set([door.name]),
      file: new OneTimeFile(door.path),
      lines: new DoorLines(door.lookAhead, nextId),
      watch: undefined,
      notes: NO_NOTES,
      problem: undefined,
      given: undefined,
      turn: Promise.resolve(),
    };
  }

  #follow(entry: Entry): void {
    // Watched before it is read, so that no edit falls between.
    entry.watch = new FileWatch(entry.door.path, {
      pollMs: this.#options.pollMs ?? DEFAULT_POLL_MS,
      settleMs: this.#options.settleMs ?? DEFAULT_SETTLE_MS,
      onChange: () => {
        this.#inTurn(entry, () => this.#read(entry)).catch((error: unknown) => {
          this.#options.log.error('unexpected failure', { door: entry.door.name, reason: formatProblemOf(error) });
        });
      },
    });
  }

  async #strike(entry: Entry, use: LineUse): Promise<void> {
    const { door, file, lines } = entry;
    const outcome = await file.strike(use.used, use.skipped);
    lines.finish(use);
    // Tried before and struck now: by us, and the file has made sure that it is durable.
    if (outcome === 'gone' || (outcome === 'already' && !use.isRetry)) {
      const why = outcome === 'gone' ? 'is no longer in the file' : 'was struck by somebody else';
      throw new KnockError('FACTOR_USED', `the line that was used ${why}`, {
        hint: 'one file serves one door of one daemon',
      });
    }
    if (use.skipped.length > 0) {
      this.#options.log.info('skipped lines are struck too', { door: door.name, lines: use.skipped.length });
    }
    this.#reports.left(door.name, lines.present.length);
  }

  async #read(entry: Entry): Promise<void> {
    if (this.#stopped || this.#entries.get(entry.door.name) !== entry) return;
    const { door, file, lines } = entry;
    const fields = { door: door.name, file: door.path };
    let revived: readonly LineRef[] = [];
    let notes = NO_NOTES;
    let problem: string | undefined;
    try {
      ({ notes, revived } = lines.update(await file.read()));
    } catch (error) {
      lines.withdraw();
      problem = reasonOf(error);
    }
    const before = { notes: entry.notes, problem: entry.problem };
    entry.notes = notes;
    entry.problem = problem;
    if (problem !== undefined && problem !== before.problem) {
      this.#options.log.error('no one-time sequences: this door stays shut', { ...fields, reason: problem });
    }
    if (problem === undefined && before.problem !== undefined) {
      this.#options.log.info('the one-time sequences are there again', fields);
    }
    this.#reports.notes(door, notes, before.notes);
    if (revived.length > 0) await this.#strikeAgain(entry, revived);
    const ids = idsOf(entry);
    if (ids === entry.given && problem === before.problem) return;
    const isFirst = entry.given === undefined;
    entry.given = ids;
    this.#options.onLines(door.name, lines.present, stateOf(entry));
    if (problem !== undefined) return;
    this.#options.log.info(isFirst ? 'one-time sequences' : 'one-time sequences changed', {
      ...fields,
      left: lines.present.length,
    });
    this.#reports.left(door.name, lines.present.length);
  }

  async #strikeAgain({ door, file }: Entry, [first, ...others]: readonly LineRef[]): Promise<void> {
    if (first === undefined) return;
    await file.strike(first, others).catch((error: unknown) => {
      this.#options.log.error('lines that were used could not be struck again', {
        door: door.name,
        reason: reasonOf(error),
      });
    });
  }

  async #inTurn(entry: Entry, work: () => Promise<void>): Promise<void> {
    const result = entry.turn.then(work);
    // A failed strike is its caller's to hear of; the next in line must not.
    entry.turn = result.catch(() => {});
    return await result;
  }
}

function stateOf({ lines, notes, problem }: Entry): OneTimeState {
  return { left: lines.present.length, notes, ...(problem === undefined ? {} : { problem }) };
}

function idsOf({ lines }: Entry): string {
  return lines.present.map(({ id }) => id).join();
}
