/** A finding: one result of `knock-otp doctor`, or of the checks after a failed knock, as a line with a hint. Pure. */

export type Level = 'ok' | 'warn' | 'fail';

export interface Finding {
  /** A stable name, for programs. */
  readonly check:
    | 'profile'
    | 'secret'
    | 'factors'
    | 'counters'
    | 'clock'
    | 'name'
    | 'network'
    | 'route'
    | 'door'
    | 'ports'
    | 'echo';
  readonly level: Level;
  readonly message: string;
  /** What to do; not for `ok`. */
  readonly hint?: string;
}

export function findingLines({ check, level, message, hint }: Finding): string {
  const line = `${level.padEnd(4)}  ${check}: ${message}`;
  return hint === undefined ? line : `${line}\n      ${hint}`;
}

/** The first few of a list: `a, b and 3 more`. */
export function listSome(all: readonly (string | number)[], most = 4): string {
  const first = all.slice(0, most).join(', ');
  return all.length <= most ? first : `${first} and ${all.length - most} more`;
}
