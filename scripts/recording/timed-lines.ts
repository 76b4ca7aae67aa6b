/** A program's output as lines with times, and the times at which a reader can follow them. Runs nothing, reads no clock. */
import { plain } from './terminal-rows.ts';

export interface TimedLine {
  /** Milliseconds since the start. */
  readonly at: number;
  /** As the program wrote it, with its escape sequences. */
  readonly text: string;
}

export interface Pace {
  /** Every pause is multiplied by this. */
  readonly stretch: number;
  /** Milliseconds for each letter: the next line appears no earlier. */
  readonly perLetter: number;
  /** No pause is longer, in milliseconds. */
  readonly longest: number;
}

/** Puts pieces of output together: a line has the time of the piece that ends it. */
export class LineCollector {
  readonly #lines: TimedLine[] = [];
  #rest = '';
  #last = 0;

  /** @param at Milliseconds since the start; not before the piece before it */
  add(piece: string, at: number): void {
    const parts = (this.#rest + piece).split('\n');
    this.#rest = parts.pop() ?? '';
    this.#last = at;
    for (const text of parts) this.#lines.push({ at, text: text.replace(/\r$/, '') });
  }

  /** All lines; a last one that no line feed ends is a line too. */
  finish(): readonly TimedLine[] {
    if (this.#rest !== '') this.add('\n', this.#last);
    return this.#lines;
  }
}

/** The same lines with times to read them: pauses are scaled, no line comes too early, and no pause is long. */
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
