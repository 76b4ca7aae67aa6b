/**
 * What a door does against those who know too much or try too often. Each of these defences can be turned against the
 * clients by somebody else, and is said to be so where it is switched on.
 */
import type { DoorReader } from './read-action.ts';

export function readContested(reader: DoorReader): 'first' | 'refuse' {
  const contested = reader.choice('contested');
  if (contested === 'refuse') {
    reader.warn('contested', 'whoever sees a knock can keep the door shut to its sender by knocking it from elsewhere');
  }
  return contested;
}

/** Undefined where a door gives no penalties. */
export function readPenalty(reader: DoorReader): number | undefined {
  const seconds = reader.integer('penalty');
  if (seconds === 0) return undefined;
  const message = `whoever forges a client's address can have the client ignored for ${seconds} s, again and again`;
  reader.warn('penalty', message, 'it adds nothing to the odds of the door: penalty = 0 unless you need it');
  return seconds * 1000;
}
