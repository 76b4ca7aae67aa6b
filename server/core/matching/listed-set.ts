/**
 * Keeps the live sequences of listed doors: the one sequence of a static door, or the first unspent lines of a file.
 * Updates the matcher's index when lines are set or spent. `server/one-time` reads files and strikes lines.
 */
import { writtenStrayBudget } from '../../../shared/written-odds.ts';
import { contestFrom } from '../contest.ts';
import type { ListedDoor, ListedLine } from '../door.ts';
import type { LiveSequence } from './live-sequence.ts';
import { penaltyFrom } from './penalty.ts';
import type { SequenceIndex } from './sequence-index.ts';

interface Entry {
  readonly door: ListedDoor;
  readonly index: SequenceIndex;
  /** Unspent, in the order of use. */
  lines: readonly ListedLine[];
  readonly live: Map<number, LiveSequence>;
  /** Ids of lines spent in memory: a file may be read again before a used line is struck in it. */
  readonly used: Set<number>;
  /** The line spent last. It stays in the index, so that a replay is refused and logged. */
  spent: LiveSequence | undefined;
}

export class ListedSet {
  readonly #doors = new Map<string, Entry>();
  /** Used line ids of removed doors: a door may return before a used line is struck in its file. */
  readonly #removed = new Map<string, Set<number>>();
  readonly #nextId: () => number;

  constructor(nextId: () => number) {
    this.#nextId = nextId;
  }

  /** Adds or changes a door. A changed door keeps its lines; attempts in progress are void. */
  setDoor(door: ListedDoor, index: SequenceIndex, monoMs: number): void {
    const lines = this.#doors.get(door.name)?.lines ?? [];
    this.removeDoor(door.name);
    const used = this.#removed.get(door.name) ?? new Set();
    const entry: Entry = { door, index, lines, live: new Map(), used, spent: undefined };
    this.#doors.set(door.name, entry);
    this.#refresh(entry, monoMs);
  }

  removeDoor(name: string): void {
    const entry = this.#doors.get(name);
    if (entry === undefined) return;
    for (const sequence of entry.live.values()) entry.index.remove(sequence);
    if (entry.spent !== undefined) entry.index.remove(entry.spent);
    this.#removed.set(name, entry.used);
    this.#doors.delete(name);
  }

  door(name: string): ListedDoor | undefined {
    return this.#doors.get(name)?.door;
  }

  /** How many unspent lines a door has left. */
  left(name: string): number {
    return this.#doors.get(name)?.lines.length ?? 0;
  }

  /**
   * Sets the unspent lines, in the order of use. A line spent in memory stays spent. Lines that stay live keep the
   * progress of their attempts.
   */
  setLines(name: string, lines: readonly ListedLine[], monoMs: number): void {
    const entry = this.#doors.get(name);
    if (entry === undefined) return;
    entry.lines = lines.filter(({ id }) => !entry.used.has(id));
    this.#refresh(entry, monoMs);
  }

  isUnspent(name: string, id: number): boolean {
    return this.#doors.get(name)?.live.has(id) ?? false;
  }

  /** Spends a line and all lines before it. A static door's line stays. */
  markSpent(name: string, id: number, monoMs: number): void {
    const entry = this.#doors.get(name);
    if (entry === undefined || entry.door.mode === 'static') return;
    const at = entry.lines.findIndex((line) => line.id === id);
    if (at < 0) return;
    const spent = entry.live.get(id);
    if (entry.spent !== undefined) entry.index.remove(entry.spent);
    entry.spent = spent;
    entry.live.delete(id);
    for (const line of entry.lines.slice(0, at + 1)) entry.used.add(line.id);
    entry.lines = entry.lines.slice(at + 1);
    this.#refresh(entry, monoMs);
  }

  #refresh(entry: Entry, monoMs: number): void {
    const wanted = new Map(entry.lines.slice(0, entry.door.lookAhead).map((line) => [line.id, line]));
    for (const [id, sequence] of entry.live) {
      if (samePairs(wanted.get(id)?.pairs, sequence.pairs)) continue;
      entry.live.delete(id);
      entry.index.remove(sequence);
    }
    for (const { id, pairs } of wanted.values()) {
      if (entry.live.has(id)) continue;
      const sequence = this.#sequence(entry.door, id, pairs, monoMs);
      entry.live.set(id, sequence);
      entry.index.add(sequence);
    }
  }

  #sequence(door: ListedDoor, line: number, pairs: ListedLine['pairs'], monoMs: number): LiveSequence {
    return {
      id: this.#nextId(),
      door: door.name,
      client: '',
      keyId: '',
      factor: line,
      pairs,
      order: door.order,
      seqTimeoutMs: door.seqTimeoutMs,
      maxStrays: Math.min(door.maxStrays, writtenStrayBudget(pairs, door.lookAhead)),
      enteredAtMs: monoMs,
      reportsStages: true,
      ...(door.mode === 'static' ? {} : { contestFrom: contestFrom(pairs.length) }),
      ...(door.penaltyMs === undefined ? {} : { penaltyFrom: penaltyFrom(pairs.length) }),
    };
  }
}

function samePairs(a: ListedLine['pairs'] | undefined, b: ListedLine['pairs']): boolean {
  return a !== undefined && a.length === b.length && a.every((pair, at) => pair === b[at]);
}
