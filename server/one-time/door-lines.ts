/**
 * The lines of one door's file, as the engine gets them. Pure. Each sequence keeps its id however the file is edited.
 * Used sequences are remembered, so that they stay used when an old copy of the file is put back.
 */
import {
  type FileLine,
  isUnspent,
  type LineRef,
  linePairs,
  type MalformedLine,
  type SequenceLine,
} from '../../shared/formats/sequences-file.ts';
import type { ListedLine } from '../core/door.ts';

/** Faults of a file that can still be used. Line numbers start at 1. */
export interface FileNotes {
  readonly malformed: readonly (NotedLine & { readonly reason: string })[];
  /** Lines whose sequence is also in an earlier line, struck or not. Not used: an observer of that knock could replay it. */
  readonly repeated: readonly NotedLine[];
  /** Lines that this daemon has struck, but that are unstruck again. Not used. */
  readonly revived: readonly NotedLine[];
}

export interface NotedLine {
  readonly line: number;
  /** One number for each sequence: tells a line from another one at its place. */
  readonly mark: number;
}

export const NO_NOTES: FileNotes = { malformed: [], repeated: [], revived: [] };

/** A line that is being struck. */
export interface LineUse {
  readonly used: LineRef;
  /** Lines before it that were live with it: the client that used this line has passed them. */
  readonly skipped: readonly LineRef[];
  /** An earlier try to strike it failed, with an unknown effect on the file. */
  readonly isRetry: boolean;
}

export class DoorLines {
  readonly #nextId: () => number;
  #lookAhead: number;
  readonly #ids = new Map<string, number>();
  readonly #refs = new Map<number, LineRef>();
  readonly #marks = new Map<string, number>();
  /** Sequences that may not be offered again, and of those the ones that the file must show as struck. */
  readonly #used = new Set<string>();
  readonly #struck = new Set<string>();
  readonly #begun = new Map<number, LineUse>();
  #present: readonly ListedLine[] = [];

  /** `lookAhead`: how many lines are live at a time. `nextId` gives ids that no other file has. */
  constructor(lookAhead: number, nextId: () => number = () => this.#ids.size + 1) {
    this.#lookAhead = lookAhead;
    this.#nextId = nextId;
  }

  set lookAhead(lines: number) {
    this.#lookAhead = lines;
  }

  /** The unspent lines, in the order of use. */
  get present(): readonly ListedLine[] {
    return this.#present;
  }

  /** Takes the current lines of the file. Returns the faults, and the lines that must be struck again. */
  update(lines: readonly FileLine[]): { readonly notes: FileNotes; readonly revived: readonly LineRef[] } {
    const repeated: NotedLine[] = [];
    const revived: { readonly noted: NotedLine; readonly ref: LineRef }[] = [];
    const present: ListedLine[] = [];
    for (const line of lines.filter(isUnspent)) {
      const ref = { key: line.key, repeats: line.repeats };
      if (ref.repeats > 0) repeated.push(this.#noted(line));
      else if (this.#struck.has(ref.key)) revived.push({ noted: this.#noted(line), ref });
      else if (!this.#used.has(ref.key)) present.push({ id: this.#idOf(ref), pairs: linePairs(line) });
    }
    this.#present = present;
    const malformed = lines.flatMap((line) =>
      line.kind === 'malformed' ? [{ ...this.#noted(line), reason: line.reason }] : [],
    );
    return {
      notes: { malformed, repeated, revived: revived.map(({ noted }) => noted) },
      revived: revived.map(({ ref }) => ref),
    };
  }

  /** Offers no line until the next `update`. Ids and used lines are remembered. */
  withdraw(): void {
    this.#present = [];
  }

  /** Begins a strike: from now on the line and the skipped ones are used. Undefined for an unknown id. */
  begin(id: number): LineUse | undefined {
    const earlier = this.#begun.get(id);
    if (earlier !== undefined) return { ...earlier, isRetry: true };
    const used = this.#refs.get(id);
    if (used === undefined) return undefined;
    const at = this.#present.findIndex((line) => line.id === id);
    // Only lines that were live: lines that an editor has inserted above them were never offered.
    const before = this.#present.slice(Math.max(0, at - (this.#lookAhead - 1)), Math.max(0, at));
    const skipped = before.flatMap((line) => this.#refs.get(line.id) ?? []);
    for (const { key } of [used, ...skipped]) this.#used.add(key);
    this.#present = this.#present.filter((line) => line.id !== id && !before.includes(line));
    const use = { used, skipped, isRetry: false };
    this.#begun.set(id, use);
    return use;
  }

  /** Whether a line of this file has the id. */
  knows(id: number): boolean {
    return this.#refs.has(id);
  }

  isStruck(id: number): boolean {
    return this.#struck.has(this.#refs.get(id)?.key ?? '');
  }

  /** The file shows the lines as struck, or no longer has them. If they appear unstruck, they are struck again. */
  finish(use: LineUse): void {
    for (const { key } of [use.used, ...use.skipped]) this.#struck.add(key);
  }

  #noted(line: SequenceLine | MalformedLine): NotedLine {
    const key = line.kind === 'malformed' ? `malformed ${line.text}` : line.key;
    const mark = this.#marks.get(key) ?? this.#marks.size + 1;
    this.#marks.set(key, mark);
    return { line: line.number, mark };
  }

  #idOf(ref: LineRef): number {
    const known = this.#ids.get(ref.key);
    if (known !== undefined) return known;
    const id = this.#nextId();
    this.#ids.set(ref.key, id);
    this.#refs.set(id, ref);
    return id;
  }
}
