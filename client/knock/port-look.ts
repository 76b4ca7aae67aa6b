/**
 * One look at a port: is it open? A closed one does not answer, so what a look costs is how long it waits, and that must
 * stay small; a look that ends too early costs a factor. When to look, and what for, is open-check.ts.
 *
 * Only time in which this process runs is counted. On a busy machine the answer may be here and not have been read, and
 * what the first connection of a process needs to be made is often longer than the answer takes to come.
 */
import type { Socket } from 'node:net';
import type { Address } from '../deps.ts';
import type { LastSuccess } from '../factors/last-success.ts';
import type { Edges } from './attempt.ts';

/** Some round trips, for a path that has become slower; a SYN that is lost costs a factor, not an error. */
const ROUND_TRIPS = 3;
const EXTRA_MS = 20;
const LEAST_MS = 40;
const MOST_MS = 500;

/** Who came in this long ago most likely finds the door open still: hardly a grant is shorter. */
const JUST_NOW_MS = 3000;

/** One turn of the event loop, in which sockets are read. */
const TURN_MS = 5;
/** What counts of a turn that took longer: no more than a little lateness. */
const MOST_OF_TURN_MS = 2 * TURN_MS;
/** A process that is stopped, or hardly ever runs, looks no longer than this by the clock. */
const MOST_BY_CLOCK_MS = 3000;

/** Milliseconds that a look may take. @param last what is known of the path; undefined where nobody has come in */
export function portLookMs(last: LastSuccess | undefined, wallMs: number): number {
  if (last === undefined) return LEAST_MS;
  const sinceMs = wallMs - last.atMs;
  if (sinceMs >= 0 && sinceMs < JUST_NOW_MS) return MOST_MS;
  return Math.min(MOST_MS, Math.max(LEAST_MS, ROUND_TRIPS * last.rttMs + EXTRA_MS));
}

/** The connection that proves that the port is open; undefined when none came in time. The caller owns it. */
export async function lookAtPort(
  address: Address,
  port: number,
  ms: number,
  { clock, network }: Edges,
): Promise<Socket | undefined> {
  const over = new AbortController();
  const waiting = (async () => {
    const endMs = clock.monotonicMs() + MOST_BY_CLOCK_MS;
    let beforeMs = clock.monotonicMs();
    let isLate = false;
    for (let counted = 0; counted < ms && beforeMs < endMs && !over.signal.aborted; ) {
      await clock.sleep(TURN_MS, over.signal);
      const nowMs = clock.monotonicMs();
      isLate = nowMs - beforeMs > MOST_OF_TURN_MS;
      counted += Math.min(nowMs - beforeMs, MOST_OF_TURN_MS);
      beforeMs = nowMs;
    }
    // Behind a stop, timers may come before what the sockets have: that is read in one more turn.
    if (isLate && !over.signal.aborted) await clock.sleep(TURN_MS, over.signal);
    over.abort();
  })();
  // A closed port before the knock tells nothing about the knock: what it says is for nobody.
  const socket = await network.probe(address, port, { refused: 0, unreachable: 0 }, over.signal);
  over.abort();
  await waiting;
  return socket;
}
