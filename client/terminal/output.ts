/** The output of the program: results on standard output, messages on standard error after the program's name. */
import { formatProblem, type KnockError } from '../../shared/errors.ts';
import type { Deps } from '../deps.ts';

export const PROGRAM = 'knock-otp';

/** Prints one message: lower case, no full stop. */
export function say({ stderr }: Pick<Deps, 'stderr'>, text: string): void {
  stderr.write(`${PROGRAM}: ${text}\n`);
}

/** Prints an error that does not end the program, with its findings. */
export function sayProblem({ message, problems }: KnockError, deps: Pick<Deps, 'stderr'>): void {
  say(deps, message);
  for (const each of problems) say(deps, formatProblem(each));
}

/** Prints one line of result. */
export function print({ stdout }: Pick<Deps, 'stdout'>, text: string): void {
  stdout.write(`${text}\n`);
}

/** Cuts everything that begins like a profile URI from text that is not validated yet. */
export function withoutUris(text: string): string {
  return text.replaceAll(/otpauth:[^\s']*/gi, 'otpauth:...');
}
