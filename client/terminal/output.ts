/** How the program speaks: results on standard output, everything else on standard error behind its name. */
import { formatProblem, type KnockError } from '../../shared/errors.ts';
import type { Deps } from '../deps.ts';

export const PROGRAM = 'knock-otp';

/** One line of talk: lower case, no full stop. */
export function say({ stderr }: Pick<Deps, 'stderr'>, text: string): void {
  stderr.write(`${PROGRAM}: ${text}\n`);
}

/** A problem that is not the one that ends the program, with what was found out about it. */
export function sayProblem({ message, problems }: KnockError, deps: Pick<Deps, 'stderr'>): void {
  say(deps, message);
  for (const each of problems) say(deps, formatProblem(each));
}

/** One line of result. */
export function print({ stdout }: Pick<Deps, 'stdout'>, text: string): void {
  stdout.write(`${text}\n`);
}

/** For words that come back in a message before anybody could judge them: what begins like a profile URI is cut. */
export function withoutUris(text: string): string {
  return text.replaceAll(/otpauth:[^\s']*/gi, 'otpauth:...');
}
