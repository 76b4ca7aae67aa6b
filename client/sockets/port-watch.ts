/**
 * Watches a port until it opens, and returns the connection that proves it.
 *
 * A SYN that arrives before the door opens is dropped, and the kernel repeats it only after 1 s, then 3 s. So new
 * attempts start at short, growing pauses. Earlier attempts stay for a while: on a path whose round trip is longer than
 * the pause, each would otherwise be closed just before its answer arrives. Where the door lets in one connection, that
 * connection would be lost.
 *
 * An attempt starts only after the answers that have arrived are read: in a late process, timers run before sockets,
 * and sshd counts each needless connection as one that has not logged in.
 */
import { connect, type Socket } from 'node:net';
import { codeOf } from '../../shared/files/system-error.ts';
import type { Address, ProbeSeen } from '../deps.ts';

/** Pauses between attempts; the last one repeats. */
const PAUSES_MS: readonly number[] = [20, 40, 80, 160, 320, 500];

/**
 * An attempt without an answer is closed after this: longer than a satellite's round trip, and only a few sockets at a
 * time. Before 3 s, when the kernel repeats the SYN for the second time: a door might let in that SYN as its one
 * connection.
 */
const ATTEMPT_MS = 2800;

const UNREACHABLE = new Set(['EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ENETDOWN']);

/**
 * The first connection that succeeds, with half-open allowed and nothing read from it; undefined when the signal aborts
 * first. All other attempts are closed by then. The caller owns the socket; its errors are ignored until the caller
 * listens.
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
