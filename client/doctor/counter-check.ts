/** How far a counting client has gone without being heard. The server's own counter nobody tells; the last success does. */
import type { LastSuccess } from '../factors/last-success.ts';
import type { PublicProfile } from '../profiles/public-profile.ts';
import type { Finding } from './finding.ts';

/** What a door has that does not say otherwise (CONFIG, look_ahead). The profile does not tell. */
const USUAL_LOOK_AHEAD = 10;
/** Knocks left that are worth a warning: two runs. */
const FEW = 4;

/**
 * Undefined where nothing counts, and where it is not known which counter opened last.
 * @param used the highest counter that was ever reserved, -1 for none
 */
export function counterFinding(
  { mode, counter }: PublicProfile,
  last: LastSuccess | undefined,
  used: number,
): Finding | undefined {
  if (mode !== 'hotp' || (last !== undefined && last.factor === undefined)) return undefined;
  const heard = last?.factor ?? counter - 1;
  const ahead = used - heard;
  if (ahead < 1) return undefined;
  const check = 'counters';
  const since = last === undefined ? 'and none has worked' : 'since the last knock that worked';
  const which = ahead === 1 ? `counter ${used} was used` : `${ahead} counters, ${heard + 1} to ${used}, were used`;
  const message = `${which} ${since}; a server looks ${USUAL_LOOK_AHEAD} ahead where its look_ahead says nothing else`;
  // The server takes its next counter, heard + 1, and so many beyond it.
  const left = USUAL_LOOK_AHEAD + 1 - ahead;
  if (left <= 0) {
    const hint = 'the server no longer takes what comes next: have this client enrolled anew, or look_ahead raised';
    return { check, level: 'fail', message, hint };
  }
  if (left <= FEW) {
    const hint = `${left === 1 ? 'one more is' : `${left} more are`} taken: find the reason before knocking on`;
    return { check, level: 'warn', message, hint };
  }
  return { check, level: 'ok', message };
}
