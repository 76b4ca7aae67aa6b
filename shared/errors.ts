/**
 * The one error class of the project and its stable codes.
 *
 * Expected outcomes (a stray, a replay, a throttled source) are values and never come through here. Messages never
 * carry a secret, a code or an unspent sequence: whoever throws passes names, paths and positions only.
 */

export const errorCodes = [
  'USAGE', // the command line is wrong
  'CONFIG_INVALID', // the configuration, or a file it names, is wrong; details in `problems`
  'PROFILE_INVALID', // a profile or a profile URI is wrong
  'PROFILE_MISSING', // no profile for that host
  'SECRET_INVALID', // a secret is too short, too long, or not base32
  'INSECURE_FILE', // a file with a secret can be read by others
  'FACTOR_USED', // the moving factor asked for is spent
  'STORE', // durable state could not be read or written
  'STATE_REFUSED', // durable state is there but must not be used (in use, older, corrupt)
  'FIREWALL', // a firewall backend refused
  'COMMAND', // a start or stop command failed
  'CAPTURE', // an interface cannot be listened to
  'CONTROL', // the daemon cannot be asked
  'NETWORK', // nothing could be sent, or the name does not resolve
  'DOOR_CLOSED', // knocked, but the door did not open
] as const;

export type ErrorCode = (typeof errorCodes)[number];

/** Where in a file a problem is. Lines count from 1; undefined when the problem is something that is missing. */
export interface Problem {
  /** Where it is not the file that was asked for: a client file behind a configuration. */
  readonly file?: string;
  readonly section?: string;
  readonly key?: string;
  readonly line?: number;
  readonly message: string;
  readonly hint?: string;
}

export interface KnockErrorOptions {
  readonly hint?: string;
  readonly cause?: unknown;
  readonly problems?: readonly Problem[];
}

/** What the programs throw. `code` is a contract, `message` is for people: lower case, no full stop at its end. */
export class KnockError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly problems: readonly Problem[];

  constructor(code: ErrorCode, message: string, options: KnockErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'KnockError';
    this.code = code;
    this.hint = options.hint;
    this.problems = options.problems ?? [];
  }
}

/** Process exit code for an error: 2 when the user's words or files are wrong, else 1. */
export function exitCodeOf(error: unknown): 1 | 2 {
  if (!(error instanceof KnockError)) return 1;
  switch (error.code) {
    case 'USAGE':
    case 'CONFIG_INVALID':
    case 'PROFILE_INVALID':
    case 'PROFILE_MISSING':
    case 'SECRET_INVALID':
    case 'INSECURE_FILE':
      return 2;
    default:
      return 1;
  }
}

/** One line for a problem: `FILE:12: [ssh] knocks: 40 is above 16 (hint: ...)`. */
export function formatProblem(problem: Problem, file?: string): string {
  const place = [problem.file ?? file, problem.line].filter((part) => part !== undefined).join(':');
  const name = [problem.section === undefined ? '' : `[${problem.section}]`, problem.key ?? '']
    .filter(Boolean)
    .join(' ');
  const head = [place, name].filter(Boolean).join(': ');
  const tail = problem.hint === undefined ? '' : ` (hint: ${problem.hint})`;
  return `${head === '' ? '' : `${head}: `}${problem.message}${tail}`;
}
