/** Collects the problems (refused) and warnings (reported) of a configuration, so that knock-otpd reports all at once. */
import { KnockError, type Problem } from '../../shared/errors.ts';

/** A program that a command of the configuration runs, with the place of the command. */
export interface NeededProgram {
  readonly place: Omit<Problem, 'message' | 'hint'>;
  readonly program: string;
  /** The user who runs it; absent: the daemon's. */
  readonly runAs?: string;
}

export class Findings {
  readonly problems: Problem[] = [];
  readonly warnings: Problem[] = [];
  /** To be looked for by whoever reads more than the text. */
  readonly programs: NeededProgram[] = [];
  /** True while every problem is a file that others can read or change. */
  #onlyInsecure = true;

  problem(problem: Problem): void {
    this.#onlyInsecure = false;
    this.problems.push(problem);
  }

  /** Reports a problem of a file's owner or mode, not of its content. */
  insecure(problem: Problem): void {
    this.problems.push(problem);
  }

  warn(warning: Problem): void {
    this.warnings.push(warning);
  }

  /** @throws KnockError INSECURE_FILE or CONFIG_INVALID with all problems, when there are any */
  throwIfAny(file: string): void {
    const count = this.problems.length;
    if (count === 0) return;
    throw new KnockError(
      this.#onlyInsecure ? 'INSECURE_FILE' : 'CONFIG_INVALID',
      `${count === 1 ? 'a problem' : `${count} problems`} with the configuration ${file}`,
      { problems: sorted(this.problems) },
    );
  }
}

/** The configuration's lines in order, then missing keys, then problems of other files. */
function sorted(problems: readonly Problem[]): readonly Problem[] {
  const rank = ({ file, line }: Problem): number =>
    file === undefined ? (line ?? Number.MAX_SAFE_INTEGER) : Number.POSITIVE_INFINITY;
  return problems.toSorted((a, b) => {
    const [first, second] = [rank(a), rank(b)];
    return first === second ? 0 : first - second;
  });
}
