/** Turns a program's output into lines with times, and stretches the times so that a reader can follow. Pure. */
import { plain } from './terminal-rows.ts';

export interface TimedLine {
  /** Milliseconds since the start. */
  readonly at: number;
  /** The line as the program wrote it, with its escape sequences. */
  readonly text: string;
}

export interface Pace {
  /** Every pause is multiplied by this. */
  readonly stretch: number;
  /** Milliseconds for each letter: the next line appears no earlier. */
  readonly perLetter: number;
  /** The longest pause, in milliseconds. */
  readonly longest: number;
}

/** Joins pieces of output into lines: a line gets the time of the piece that ends it. */
export class LineCollector {
  readonly #lines: TimedLine[] = [];
  #rest = '';
  #last = 0;

  /** @param at Milliseconds since the start; not before the previous piece */
  add(piece: string, at: number): void {
    const parts = (this.#rest + piece).split('\n');
    this.#rest = parts.pop() ?? '';
    this.#last = at;
    for (const text of parts) this.#lines.push({ at, text: text.replace(/\r$/, '') });
  }

  /** All lines, with the last one even when no line feed ends it. */
  finish(): readonly TimedLine[] {
    if (this.#rest !== '') this.add('\n', this.#last);
    return this.#lines;
  }
}

/** The same lines at times for readers: scales the pauses, keeps a minimum for each line, and limits long pauses. */
export function paced(lines: readonly TimedLine[], pace: Pace): readonly TimedLine[] {
  let real = 0;
  let shown = 0;
  let letters = 0;
  return lines.map(({ at, text }) => {
    const pause = Math.max((at - real) * pace.stretch, letters * pace.perLetter);
    shown += Math.min(pause, pace.longest);
    real = at;
    letters = plain(text).length;
    return { at: Math.round(shown), text };
  });
}
