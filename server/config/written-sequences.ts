/**
 * Reads files of one-time sequences for `check` and the stray budgets: how many lines are left, and the weakest of them.
 * Messages never quote a line. `server/one-time` uses the lines.
 */
import { KnockError, type Problem } from '../../shared/errors.ts';
import { OneTimeFile } from '../../shared/files/one-time-file.ts';
import { type FileLine, isUnspent, linePairs } from '../../shared/formats/sequences-file.ts';
import type { Pair } from '../../shared/knock.ts';
import { log10OpeningsPerDay } from '../../shared/odds.ts';
import { writtenOdds, writtenStrayBudget } from '../../shared/written-odds.ts';
import type { FileDoor } from './config.ts';

export interface SequencesFile {
  /** Unspent lines; 0 when the file cannot be used. */
  readonly left: number;
  /** The line that random packets would open first; undefined when none is left. */
  readonly weakest: readonly Pair[] | undefined;
  /** Why the door stays shut; undefined when it does not. The daemon starts anyway. */
  readonly shut: Problem | undefined;
  readonly warnings: readonly Problem[];
}

const FEW_LINES = 10;

export async function readSequencesFile({ name, file, policy }: FileDoor): Promise<SequencesFile> {
  const place = { section: name, key: 'one_time_sequences' };
  const shut = (message: string, hint?: string): SequencesFile => {
    const problem = { ...place, message: `the door stays shut: ${message}`, ...(hint === undefined ? {} : { hint }) };
    return { left: 0, weakest: undefined, shut: problem, warnings: [] };
  };
  try {
    const lines = await new OneTimeFile(file).read();
    const usable = lines.filter(isUnspent).filter(({ repeats }) => repeats === 0);
    const unspent = usable.map(linePairs);
    if (unspent.length === 0) return shut(`no unspent sequence is left in ${file}`, 'add new lines');
    const warnings: Problem[] = lines.flatMap((line) => {
      const message = unusedReason(line);
      if (message === undefined) return [];
      const hint = line.kind === 'malformed' ? 'ports with commas' : 'remove it, or write another sequence';
      return [{ file, line: line.number, message: `this line is not used: ${message}`, hint }];
    });
    if (unspent.length <= FEW_LINES) {
      warnings.push({ ...place, message: `few sequences are left in ${file}: ${unspent.length}` });
    }
    const live = policy.lookAhead;
    const risk = (pairs: readonly Pair[]): number =>
      log10OpeningsPerDay(writtenOdds(pairs, live), writtenStrayBudget(pairs, live));
    const weakest = unspent.reduce((a, b) => (risk(b) > risk(a) ? b : a));
    return { left: unspent.length, weakest, shut: undefined, warnings };
  } catch (error) {
    if (!(error instanceof KnockError)) throw error;
    return shut(error.message, error.hint);
  }
}

/** As the daemon takes it: whoever saw an earlier use of a line could repeat it at a later one. */
function unusedReason(line: FileLine): string | undefined {
  if (line.kind === 'malformed') return line.reason;
  return isUnspent(line) && line.repeats > 0 ? 'it repeats an earlier one' : undefined;
}
