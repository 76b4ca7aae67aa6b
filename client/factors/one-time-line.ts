/**
 * The next line of a one-time file: taken, which strikes it out durably, or only read. shared/files/one-time-file.ts
 * chooses and strikes the line; this file has the messages, which never quote a line.
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

/** With fewer lines left, a warning asks for a new file. */
const FEW_LINES = 10;

/**
 * Strikes the next line out. The line may be sent only after this resolves.
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

/** The next line, not struck out. @throws KnockError as {@link takeSequence} */
export async function peekSequence(path: string, deps: Deps): Promise<SequenceLine> {
  const lines = await new OneTimeFile(path).read();
  const line = lines.find(isUnspent);
  if (line === undefined) throw exhausted(path);
  warnOfMalformed(path, lines, line, deps);
  return line;
}

/**
 * Decides whether a line may be sent again. In a file written by hand, repetitions of a line may contain another line:
 * `1,2,3` sent three times contains `3,1,2` in order, and the server would open for that and be a line ahead. So a line
 * is repeated only when every other line has a knock that this one lacks.
 */
async function mayRepeat(file: OneTimeFile, taken: SequenceLine, deps: Deps): Promise<boolean> {
  let lines: readonly FileLine[];
  try {
    lines = await file.read();
  } catch (error) {
    // The line is struck out and may be sent; only the rest of the file is not known.
    if (error instanceof KnockError) return false;
    throw error;
  }
  warnOfMalformed(file.path, lines, taken, deps);
  const pairs = new Set(linePairs(taken));
  return lines.filter(isUnspent).every((line) => linePairs(line).some((pair) => !pairs.has(pair)));
}

function sayLeft(path: string, left: number, deps: Deps): void {
  const count = `${left === 0 ? 'no' : left} ${left < 2 ? 'sequence is' : 'sequences are'} left in ${path}`;
  say(deps, left < FEW_LINES ? `warning: ${count}: make new ones on the server soon` : count);
}

/** The server's copy may have the line intact: then client and server would continue with different lines. */
function warnOfMalformed(path: string, lines: readonly FileLine[], next: SequenceLine, deps: Deps): void {
  const skipped = lines.find((line) => line.kind === 'malformed' && line.number < next.number);
  if (skipped?.kind !== 'malformed') return;
  say(deps, `warning: ${path}:${skipped.number} is no sequence and was skipped: ${skipped.reason}`);
}

function exhausted(path: string): KnockError {
  return new KnockError('FACTOR_USED', `${path} has no unspent sequence left`, {
    hint: 'make new ones on the server (knock-otpd sequences) and bring the copy for this client here',
  });
}
