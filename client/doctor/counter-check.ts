/**
 * How far the counter of a HOTP client is ahead of the last one that opened: the client cannot ask the server for its
 * counter.
 */
import type { LastSuccess } from '../factors/last-success.ts';
import type { PublicProfile } from '../profiles/public-profile.ts';
import type { Finding } from './finding.ts';

/** The default of look_ahead (CONFIG). The profile does not contain the door's value. */
const DEFAULT_LOOK_AHEAD = 10;
/** Counters left that cause a warning: enough for two runs. */
const FEW = 4;

/**
 * Undefined for a TOTP door, and when the counter that opened last is not known.
 * @param used the highest counter ever reserved, -1 for none
 */
export function counterFinding(
  { mode, counter }: PublicProfile,
  last: LastSuccess | undefined,
  used: number,
): Finding | undefined {
  if (mode !== 'hotp' || (last !== undefined && last.factor === undefined)) return undefined;
  const lastOpened = last?.factor ?? counter - 1;
  const ahead = used - lastOpened;
  if (ahead < 1) return undefined;
  const check = 'counters';
  const since = last === undefined ? 'and none has worked' : 'since the last knock that worked';
  const which = ahead === 1 ? `counter ${used} was used` : `${ahead} counters, ${lastOpened + 1} to ${used}, were used`;
  const message = `${which} ${since}; the server's look-ahead window is ${DEFAULT_LOOK_AHEAD} unless look_ahead says otherwise`;
  // The server accepts its next counter, lastOpened + 1, and look_ahead counters after it.
  const left = DEFAULT_LOOK_AHEAD + 1 - ahead;
  if (left <= 0) {
    const hint = 'the server rejects the next counter: enroll this client again, or raise look_ahead on the server';
    return { check, level: 'fail', message, hint };
  }
  if (left <= FEW) {
    const hint = `the server accepts ${left} more: find the reason before you knock again`;
    return { check, level: 'warn', message, hint };
  }
  return { check, level: 'ok', message };
}
