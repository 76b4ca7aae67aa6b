/**
 * The log messages about a door's one-time file: how many lines are left, and which lines are not used and why. They
 * contain line numbers, never a sequence.
 */
import { KnockError } from '../../shared/errors.ts';
import { formatProblemOf } from '../log/error-text.ts';
import type { Log } from '../log/log.ts';
import type { FileNotes } from './door-lines.ts';

const DEFAULT_WARN_LEFT = 10;
const MAX_NUMBERS = 20;

export class LineReports {
  readonly #log: Log;
  readonly #warnLeft: number;

  /** @param warnLeft with so many lines left or fewer, each use logs a warning */
  constructor(log: Log, warnLeft: number = DEFAULT_WARN_LEFT) {
    this.#log = log;
    this.#warnLeft = warnLeft;
  }

  left(door: string, left: number): void {
    if (left === 0) this.#log.error('the one-time sequences are used up: this door stays shut', { door, left });
    else if (left <= this.#warnLeft) this.#log.warn('few one-time sequences are left', { door, left });
  }

  /** Logs the faults that are new since the last reading. A line number may stand for another line in a replaced file. */
  notes({ name, path }: { readonly name: string; readonly path: string }, notes: FileNotes, before: FileNotes): void {
    const warn = (message: string, key: keyof FileNotes, reason?: string) => {
      const [found, old] = [notes[key], before[key]];
      if (found.length === 0 || JSON.stringify(found) === JSON.stringify(old)) return;
      this.#log.warn(message, { door: name, file: path, lines: formatNumbers(found.map(({ line }) => line)), reason });
    };
    warn('lines that are not sequences are not used', 'malformed', notes.malformed[0]?.reason);
    warn('lines that repeat an earlier one are not used', 'repeated');
    warn('lines that were used are unstruck again: did you restore an old copy?', 'revived');
  }
}

/** The problem with its hint, if it has one. */
export function reasonOf(error: unknown): string {
  const hint = error instanceof KnockError ? error.hint : undefined;
  return hint === undefined ? formatProblemOf(error) : `${formatProblemOf(error)} (hint: ${hint})`;
}

function formatNumbers(numbers: readonly number[]): string {
  const more = numbers.length - MAX_NUMBERS;
  return numbers.slice(0, MAX_NUMBERS).join(',') + (more > 0 ? ` and ${more} more` : '');
}
