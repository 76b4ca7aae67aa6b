/**
 * The one error class of the project, and its stable codes.
 *
 * Expected outcomes (a stray, a replay, a throttled source) are values, never errors. No message carries a secret, a
 * code or an unspent sequence: the thrower passes names, paths and positions only.
 */

export const errorCodes = [
  'USAGE', // the command line is wrong
  'CONFIG_INVALID', // the configuration, or a file it names, is wrong; details in `problems`
  'PROFILE_INVALID', // a profile or a profile URI is wrong
  'PROFILE_MISSING', // no profile for that host
  'SECRET_INVALID', // a secret is too short, too long, or not base32
  'INSECURE_FILE', // a file with a secret can be read by others
  'FACTOR_USED', // the requested moving factor is spent
  'STORE', // durable state could not be read or written
  'STATE_REFUSED', // durable state exists but must not be used (in use, older, corrupt)
  'FIREWALL', // a firewall backend refused
  'COMMAND', // a start or stop command failed
  'CAPTURE', // packets of an interface cannot be captured
  'CONTROL', // the daemon does not answer on its control socket
  'NETWORK', // nothing could be sent, or the name does not resolve
  'DOOR_CLOSED', // knocked, but the door did not open
] as const;

export type ErrorCode = (typeof errorCodes)[number];

/** A problem in a file, and where it is. Lines count from 1; undefined if something is missing. */
export interface Problem {
  /** Set if it is another file than the one that was read first: a client file of a configuration. */
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

/** The error that the programs throw. `code` is stable; `message` is for people: lower case, no full stop. */
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

/** The exit code for an error: 2 if the user's command line or files are wrong, else 1. */
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
