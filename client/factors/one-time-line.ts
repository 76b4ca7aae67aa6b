/**
 * The next line of a one-time file, for a client: taken, which strikes it durably, or only looked at. Which line that is
 * and how it is struck is shared/files/one-time-file; here are the words about it, which quote nothing of a line.
 */
import { KnockError } from '../../shared/errors.ts';
import { OneTimeFile } from '../../shared/files/one-time-file.ts';
import { type FileLine, isUnspent, linePairs, type SequenceLine } from '../../shared/formats/sequences-file.ts';
import type { Knock } from '../../shared/knock.ts';
import type { Deps } from '../deps.ts';
import { say } from '../terminal/output.ts';

export interface TakenSequence {
  readonly knocks: readonly Knock[];
  /** Unspent lines that are left. */
  readonly left: number;
  /** Whether the sequence may be sent again where packets are lost. */
  readonly mayRepeat: boolean;
}

/** From here on whoever has the file should make a new one. */
const FEW_LINES = 10;

/**
 * Strikes the next line; it may be sent when this resolves, and at no other time.
 * @throws KnockError FACTOR_USED when none is left, INSECURE_FILE, STORE
 */
export async function takeSequence(path: string, deps: Deps): Promise<TakenSequence> {
  const file = new OneTimeFile(path);
  const taken = await file.take();
  if (taken === undefined) throw exhausted(path);
  const { line, left } = taken;
  sayLeft(path, left, deps);
  return { knocks: line.knocks, left, mayRepeat: await mayRepeat(file, line, deps) };
}

/** The next line, not struck. @throws KnockError as {@link takeSequence} */
export async function peekSequence(path: string, deps: Deps): Promise<SequenceLine> {
  const lines = await new OneTimeFile(path).read();
  const line = lines.find(isUnspent);
  if (line === undefined) throw exhausted(path);
  warnOfMalformed(path, lines, line, deps);
  return line;
}

/**
 * Sent again, a line of a file that somebody wrote by hand may contain the next one: after `1,2,3`, a second `1,2,3`
 * and a third hold `3,1,2` in order, and the server would open for that and be a line ahead. So it is repeated only
 * when every other line has a knock that this one lacks.
 */
async function mayRepeat(file: OneTimeFile, taken: SequenceLine, deps: Deps): Promise<boolean> {
  let lines: readonly FileLine[];
  try {
    lines = await file.read();
  } catch (error) {
    // The line is struck and may be sent; only what else is in the file is not known.
    if (error instanceof KnockError) return false;
    throw error;
  }
  warnOfMalformed(file.path, lines, taken, deps);
  const pairs = new Set(linePairs(taken));
  return lines.filter(isUnspent).every((line) => linePairs(line).some((pair) => !pairs.has(pair)));
}

function sayLeft(path: string, left: number, deps: Deps): void {
  const words = `${left === 0 ? 'no' : left} ${left < 2 ? 'sequence is' : 'sequences are'} left in ${path}`;
  say(deps, left < FEW_LINES ? `warning: ${words}: make new ones on the server soon` : words);
}

/** A line that the server's copy may hold whole: then both would go on from different lines. */
function warnOfMalformed(path: string, lines: readonly FileLine[], next: SequenceLine, deps: Deps): void {
  const passed = lines.find((line) => line.kind === 'malformed' && line.number < next.number);
  if (passed?.kind !== 'malformed') return;
  say(deps, `warning: ${path}:${passed.number} is no sequence and was passed over: ${passed.reason}`);
}

function exhausted(path: string): KnockError {
  return new KnockError('FACTOR_USED', `${path} has no unspent sequence left`, {
    hint: 'make new ones on the server (knock-otpd sequences) and bring the copy for this client here',
  });
}
