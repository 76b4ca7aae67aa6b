/**
 * The files of one-time sequences of all doors while the daemon runs: reads them, follows edits, offers the unspent
 * lines to the engine and strikes the used ones. A file that is used up, unreadable or accessible to others shuts its
 * own door only. `line-reports.ts` logs faults and how many lines are left.
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
  /** Absolute. Each door needs its own file: two doors with the same file would use up each other's lines. */
  readonly path: string;
  /** Unspent lines that are live at a time, at least 1. */
  readonly lookAhead: number;
}

export interface OneTimeState {
  readonly left: number;
  readonly notes: FileNotes;
  /** Why the door has no lines although its file may have some. */
  readonly problem?: string;
}

export interface OneTimeFilesOptions {
  readonly doors: readonly OneTimeDoor[];
  readonly log: Log;
  /**
   * Gets the door's unspent lines in the order of use, whenever they differ from the last call. Not called after a
   * strike, because the engine knows of it. A used line may be among them until `strike` is called for it.
   */
  readonly onLines: (door: string, lines: readonly ListedLine[], state: OneTimeState) => void;
  /** With so many lines left or fewer, each use logs a warning. Default 10. */
  readonly warnLeft?: number;
  readonly pollMs?: number;
  readonly settleMs?: number;
}

interface Entry {
  door: OneTimeDoor;
  /** Names of all doors that have had this file. */
  readonly names: Set<string>;
  readonly file: OneTimeFile;
  readonly lines: DoorLines;
  watch: FileWatch | undefined;
  notes: FileNotes;
  problem: string | undefined;
  /** Ids of the lines that were last offered to the engine, without those struck since. */
  offered: string | undefined;
  /** The last job, after which the next one runs: lines read before a strike must not pass for those after it. */
  lastJob: Promise<void>;
}

const DEFAULT_POLL_MS = 5000;
const DEFAULT_SETTLE_MS = 50;

export class OneTimeFiles implements LineStriker {
  readonly #options: OneTimeFilesOptions;
  readonly #reports: LineReports;
  readonly #entries = new Map<string, Entry>();
  /** Files of removed doors, by path: used lines stay used when such a file comes back. */
  readonly #gone = new Map<string, Entry>();
  /** Ids are unique over all files: a line of a door's earlier file must not be mistaken for another line. */
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

  /** Reads and follows every file. Never rejects: an unreadable file is logged, and its door stays shut. */
  async start(): Promise<void> {
    for (const entry of this.#entries.values()) this.#follow(entry);
    await this.reread();
  }

  /**
   * Follows the files of these doors only. Used lines of a file that comes back are not offered again. Call it when the
   * engine knows the doors, never with two doors of one file. Never rejects.
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
      entry.offered = undefined;
      this.#entries.set(door.name, entry);
      this.#follow(entry);
      renewed.push(entry);
    }
    await Promise.all(renewed.map((entry) => this.#inTurn(entry, () => this.#read(entry))));
  }

  /** Reads every file now, changed or not. Never rejects. */
  async reread(): Promise<void> {
    await Promise.all([...this.#entries.values()].map((entry) => this.#inTurn(entry, () => this.#read(entry))));
  }

  /** Stops following edits, and waits for running jobs. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const { watch } of this.#entries.values()) watch?.stop();
    await Promise.all([...this.#entries.values()].map(({ lastJob }) => lastJob));
  }

  state(door: string): OneTimeState | undefined {
    const entry = this.#entries.get(door);
    return entry === undefined ? undefined : stateOf(entry);
  }

  /**
   * Durably strikes the line and those before it that were live with it.
   * @throws KnockError STORE or INSECURE_FILE when the strike failed and may be tried again; FACTOR_USED when another program
   * struck the line before, or removed it from the file. In each case the door must stay shut.
   */
  async strike(door: string, line: number): Promise<void> {
    // The door may have another file by now, so every file that knows the id is searched.
    const entry = [...this.#entries.values(), ...this.#gone.values()].find(
      ({ names, lines }) => names.has(door) && lines.knows(line),
    );
    if (entry === undefined) throw new KnockError('STORE', `door "${door}" has no line of that number`);
    if (entry.lines.isStruck(line)) return;
    // Before the job runs: a reading in between must not offer the line again.
    const use = entry.lines.begin(line);
    if (use === undefined) throw new KnockError('STORE', `door "${door}" has no line of that number`);
    entry.offered = idsOf(entry);
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
      offered: undefined,
      lastJob: Promise.resolve(),
    };
  }

  #follow(entry: Entry): void {
    // Watch first and read afterwards, so that no edit is missed in between.
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
    // After a failed try, a struck line is our own strike, and `file.strike` has made it durable.
    if (outcome === 'gone' || (outcome === 'already' && !use.isRetry)) {
      const why = outcome === 'gone' ? 'is no longer in the file' : 'was struck by another program';
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
      this.#options.log.info('the one-time sequences can be read again', fields);
    }
    this.#reports.notes(door, notes, before.notes);
    if (revived.length > 0) await this.#strikeAgain(entry, revived);
    const ids = idsOf(entry);
    if (ids === entry.offered && problem === before.problem) return;
    const isFirst = entry.offered === undefined;
    entry.offered = ids;
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
    const result = entry.lastJob.then(work);
    // The caller of a failed strike gets the error; the next job must not.
    entry.lastJob = result.catch(() => {});
    return await result;
  }
}

function stateOf({ lines, notes, problem }: Entry): OneTimeState {
  return { left: lines.present.length, notes, ...(problem === undefined ? {} : { problem }) };
}

function idsOf({ lines }: Entry): string {
  return lines.present.map(({ id }) => id).join();
}
