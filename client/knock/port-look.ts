/**
 * One look at a port: is it open? A closed port does not answer, so a look costs as long as it waits. That time must be
 * short; but a look that ends too early costs a factor. open-check.ts decides when to look.
 *
 * Only time in which this process runs is counted. On a busy machine the answer may have arrived without being read,
 * and the first connection of a process often takes longer to create than the answer takes to arrive.
 */
import type { Socket } from 'node:net';
import type { Address } from '../deps.ts';
import type { LastSuccess } from '../factors/last-success.ts';
import type { Edges } from './attempt.ts';

/** Several round trips, in case the path is slower now; a lost SYN costs a factor, not an error. */
const ROUND_TRIPS = 3;
const EXTRA_MS = 20;
const LEAST_MS = 40;
const MOST_MS = 500;

/** So soon after a success the door is most likely still open: hardly any grant is shorter. */
const JUST_NOW_MS = 3000;

/** One turn of the event loop, which reads sockets. */
const TURN_MS = 5;
/** A longer turn counts as this much. */
const MOST_OF_TURN_MS = 2 * TURN_MS;
/** Limit by the clock, for a process that is stopped or hardly ever runs. */
const MOST_BY_CLOCK_MS = 3000;

/** Milliseconds that a look may take. @param last the last success; undefined when there was none */
export function portLookMs(last: LastSuccess | undefined, wallMs: number): number {
  if (last === undefined) return LEAST_MS;
  const sinceMs = wallMs - last.atMs;
  if (sinceMs >= 0 && sinceMs < JUST_NOW_MS) return MOST_MS;
  return Math.min(MOST_MS, Math.max(LEAST_MS, ROUND_TRIPS * last.rttMs + EXTRA_MS));
}

/** The connection that proves that the port is open; undefined when there was none in time. The caller owns it. */
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
    // After a stop, timers may run before sockets are read: one more turn reads them.
    if (isLate && !over.signal.aborted) await clock.sleep(TURN_MS, over.signal);
    over.abort();
  })();
  // Answers of a closed port before the knock say nothing about the knock: they are not counted.
  const socket = await network.probe(address, port, { refused: 0, unreachable: 0 }, over.signal);
  over.abort();
  await waiting;
  return socket;
}
