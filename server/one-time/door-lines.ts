/**
 * The lines of one door's file as the engine is to see them: ids that stay with a sequence however the file is edited, and
 * a memory of what this daemon has used, so that a copy of the file put back does not bring it to life. Pure.
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

/** What is wrong in a file that can be used all the same. Line numbers from 1. */
export interface FileNotes {
  readonly malformed: readonly (NotedLine & { readonly reason: string })[];
  /** Lines whose sequence stands in an earlier line, struck or not. They are not used: whoever saw that one could replay. */
  readonly repeated: readonly NotedLine[];
  /** Lines that this daemon has struck and that are unstruck again. They are not used. */
  readonly revived: readonly NotedLine[];
}

export interface NotedLine {
  readonly line: number;
  /** The same for the same sequence, and another for any other: tells a line from one that took its place. */
  readonly mark: number;
}

export const NO_NOTES: FileNotes = { malformed: [], repeated: [], revived: [] };

/** A line on its way to being struck. */
export interface LineUse {
  readonly used: LineRef;
  /** Lines before it that were live with it: whoever used this one is past them. */
  readonly skipped: readonly LineRef[];
  /** It was tried before, and what that did is not known. */
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

  /** `lookAhead`: how many lines are live at a time. `nextId` where other files' ids must be told from these. */
  constructor(lookAhead: number, nextId: () => number = () => this.#ids.size + 1) {
    this.#lookAhead = lookAhead;
    this.#nextId = nextId;
  }

  set lookAhead(lines: number) {
    this.#lookAhead = lines;
  }

  /** Unspent, in the order of use. */
  get present(): readonly ListedLine[] {
    return this.#present;
  }

  /** Takes what the file holds now. Answers what is noteworthy, and the lines that must be struck again. */
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

  /** Offers nothing until the file has been read again. Ids and memory stay. */
  withdraw(): void {
    this.#present = [];
  }

  /** Begins a strike: from now on the lines are used. Undefined for an id that was never given out. */
  begin(id: number): LineUse | undefined {
    const begun = this.#begun.get(id);
    if (begun !== undefined) return { ...begun, isRetry: true };
    const used = this.#refs.get(id);
    if (used === undefined) return undefined;
    const at = this.#present.findIndex((line) => line.id === id);
    // No more than were live: lines that an editor has put above these meanwhile were never offered.
    const before = this.#present.slice(Math.max(0, at - (this.#lookAhead - 1)), Math.max(0, at));
    const skipped = before.flatMap((line) => this.#refs.get(line.id) ?? []);
    for (const { key } of [used, ...skipped]) this.#used.add(key);
    this.#present = this.#present.filter((line) => line.id !== id && !before.includes(line));
    const use = { used, skipped, isRetry: false };
    this.#begun.set(id, use);
    return use;
  }

  /** Whether the id was given to a line of this file. */
  knows(id: number): boolean {
    return this.#refs.has(id);
  }

  isStruck(id: number): boolean {
    return this.#struck.has(this.#refs.get(id)?.key ?? '');
  }

  /** The file shows it as struck, or does not have it any more: should it ever stand there unstruck, it is to be struck. */
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
