/**
 * Finds out that a port has opened, as soon as it has, and hands over the connection that proved it.
 *
 * A SYN that comes before the door opens is dropped, and the kernel repeats it only after 1 s, then 3 s. So new attempts
 * are started at short, growing pauses. Earlier ones are left alone for a while: on a path whose round trip is longer
 * than the pause each would otherwise be closed just before its answer arrives, and where the door lets one connection
 * in, that one would be lost.
 *
 * None is started before the answers that are here have been read: where a process is late, timers come before sockets,
 * and each needless connection is one that a server counts as somebody who leaves without logging in.
 */
import { connect, type Socket } from 'node:net';
import { codeOf } from '../../shared/files/system-error.ts';
import type { Address, ProbeSeen } from '../deps.ts';

/** Pauses between attempts; the last one repeats. */
const PAUSES_MS: readonly number[] = [20, 40, 80, 160, 320, 500];

/**
 * An attempt without an answer is closed after this: longer than a satellite's round trip, a few sockets at a time. Not
 * at 3 s, when the kernel repeats its SYN for the second time: where a door lets one connection in, that SYN could be it.
 */
const ATTEMPT_MS = 2800;

const UNREACHABLE = new Set(['EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ENETDOWN']);

/**
 * The first connection that succeeds, half-open allowed, nothing read from it yet; undefined when the signal aborts
 * first. All other attempts are closed by then. The caller owns the socket and its errors are swallowed until it listens.
 */
export function probe(
  { address, family }: Address,
  port: number,
  seen: ProbeSeen,
  signal: AbortSignal,
): Promise<Socket | undefined> {
  const attempts = new Set<Socket>();
  return new Promise((resolve) => {
    let next: ReturnType<typeof setTimeout> | undefined;
    let nextTurn: NodeJS.Immediate | undefined;
    let started = 0;

    function finish(winner: Socket | undefined): void {
      clearTimeout(next);
      clearImmediate(nextTurn);
      signal.removeEventListener('abort', abort);
      for (const attempt of attempts) if (attempt !== winner) attempt.destroy();
      attempts.clear();
      resolve(winner);
    }
    function abort(): void {
      finish(undefined);
    }
    function start(): void {
      const socket = connect({
        host: address,
        port,
        family,
        autoSelectFamily: false,
        allowHalfOpen: true,
        noDelay: true,
      });
      attempts.add(socket);
      const startedMs = performance.now();
      const giveUp = setTimeout(() => socket.destroy(), ATTEMPT_MS);
      socket.on('error', (error) => {
        if (codeOf(error) === 'ECONNREFUSED') seen.refused += 1;
        else if (UNREACHABLE.has(codeOf(error))) seen.unreachable += 1;
      });
      socket.once('close', () => {
        clearTimeout(giveUp);
        attempts.delete(socket);
      });
      socket.once('connect', () => {
        clearTimeout(giveUp);
        if (!attempts.has(socket)) {
          socket.destroy();
          return;
        }
        seen.rttMs = performance.now() - startedMs;
        finish(socket);
      });
      const pauseMs = PAUSES_MS[Math.min(started, PAUSES_MS.length - 1)];
      next = setTimeout(() => {
        nextTurn = setImmediate(start);
      }, pauseMs);
      started += 1;
    }

    if (signal.aborted) return resolve(undefined);
    signal.addEventListener('abort', abort);
    start();
  });
}
