/**
 * Reads a door's defences against sources that know a sequence or guess: `contested` and `penalty`. An attacker can turn
 * each of them against the clients, so each gives a warning when it is on.
 */
import type { DoorReader } from './read-action.ts';

export function readContested(reader: DoorReader): 'first' | 'refuse' {
  const contested = reader.choice('contested');
  if (contested === 'refuse') {
    reader.warn('contested', 'an attacker who sees a knock can repeat it from elsewhere, and so keep the door shut');
  }
  return contested;
}

/** Milliseconds; undefined without a penalty. */
export function readPenalty(reader: DoorReader): number | undefined {
  const seconds = reader.integer('penalty');
  if (seconds === 0) return undefined;
  const message = `forged packets can block a client for ${seconds} s, again and again`;
  reader.warn('penalty', message, 'penalties do not improve the odds: penalty = 0 unless you need it');
  return seconds * 1000;
}
