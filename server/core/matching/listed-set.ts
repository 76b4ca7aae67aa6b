/**
 * The live sequences of doors whose sequences are written down: the one of a static door, or the first unspent lines of a
 * file. Keeps the matcher's index up to date with what it is told; reading and striking files is the edges' work.
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
  /** Ids of lines spent here: a file may be read again before the strike of a used line has reached it. */
  readonly used: Set<number>;
  /** The line spent last stays in the index, so that a replay of it is seen rather than ignored. */
  spent: LiveSequence | undefined;
}

export class ListedSet {
  readonly #doors = new Map<string, Entry>();
  /** Ids of used lines of doors that were taken away: such a door may come back before a strike has reached its file. */
  readonly #gone = new Map<string, Set<number>>();
  readonly #nextId: () => number;

  constructor(nextId: () => number) {
    this.#nextId = nextId;
  }

  /** Adds a door, or changes it: then it keeps its lines, and knocks in progress at it are void. */
  setDoor(door: ListedDoor, index: SequenceIndex, monoMs: number): void {
    const lines = this.#doors.get(door.name)?.lines ?? [];
    this.removeDoor(door.name);
    const used = this.#gone.get(door.name) ?? new Set();
    const entry: Entry = { door, index, lines, live: new Map(), used, spent: undefined };
    this.#doors.set(door.name, entry);
    this.#refresh(entry, monoMs);
  }

  removeDoor(name: string): void {
    const entry = this.#doors.get(name);
    if (entry === undefined) return;
    for (const sequence of entry.live.values()) entry.index.remove(sequence);
    if (entry.spent !== undefined) entry.index.remove(entry.spent);
    this.#gone.set(name, entry.used);
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
   * The unspent lines in the order of use; one that was spent here stays spent. Lines that stay live keep the progress that
   * sources have on them.
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

  /** Spends a line and every one before it; a static door's line stays. */
  spend(name: string, id: number, monoMs: number): void {
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
      tellsStages: true,
      ...(door.mode === 'static' ? {} : { contestFrom: contestFrom(pairs.length) }),
      ...(door.penaltyMs === undefined ? {} : { penaltyFrom: penaltyFrom(pairs.length) }),
    };
  }
}

function samePairs(a: ListedLine['pairs'] | undefined, b: ListedLine['pairs']): boolean {
  return a !== undefined && a.length === b.length && a.every((pair, at) => pair === b[at]);
}
