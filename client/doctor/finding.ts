/** What `knock-otp doctor`, or a knock that failed, has to say about one thing: a line, and what to do. Pure. */

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

/** Of names or numbers: `a, b and 3 more`. */
export function listSome(all: readonly (string | number)[], most = 4): string {
  const shown = all.slice(0, most).join(', ');
  return all.length <= most ? shown : `${shown} and ${all.length - most} more`;
}
