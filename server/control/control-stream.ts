/**
 * Answers that go on: lines to whoever asked, until he leaves. The sender never waits for him: who does not keep up is cut
 * off. What the lines say is the follower's business.
 */
import { createConnection, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { KnockError } from '../../shared/errors.ts';
import { controlSocketPath, parseAnswer, type StreamRequest } from './control-requests.ts';

/** Bytes that may wait for a reader. */
const MAX_BACKLOG = 256 * 1024;

/** Begins to send lines; the result ends it. Undefined where there are too many followers already. */
export type Follow = (send: (line: string) => void) => (() => void) | undefined;

/** The daemon's end. */
export function stream(socket: Socket, follow: Follow): void {
  const send = (line: string): void => {
    if (socket.writableLength > MAX_BACKLOG) socket.destroy();
    if (!socket.destroyed) socket.write(`${line}\n`);
  };
  const stop = follow(send);
  if (stop === undefined) {
    const message = 'enough others are following already';
    socket.end(`${JSON.stringify({ ok: false, code: 'CONTROL', message })}\n`);
    return;
  }
  socket.on('close', stop);
  // His leaving is heard only where he is read.
  socket.resume().on('end', () => socket.destroy());
  send(JSON.stringify({ ok: true, result: 'following' }));
}

/**
 * The asking end: calls `onLine` until the daemon ends or `signal` says so.
 * @throws KnockError CONTROL when no daemon answers, or when it cuts us off
 */
export async function followDaemon(
  stateDir: string,
  request: StreamRequest,
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const path = controlSocketPath(stateDir);
  const socket = createConnection({ path, signal });
  const failed = new Promise<Error | undefined>((resolve) => {
    socket.on('error', resolve).on('close', () => resolve(undefined));
  });
  socket.on('connect', () => socket.write(`${JSON.stringify({ request })}\n`));
  let isFollowing = false;
  try {
    for await (const line of createInterface({ input: socket, crlfDelay: Number.POSITIVE_INFINITY })) {
      if (isFollowing) {
        onLine(line);
        continue;
      }
      const answer = parseAnswer(line);
      if (!answer.ok) throw new KnockError(answer.code, answer.message);
      isFollowing = true;
    }
  } catch (error) {
    // The socket's own errors are told below.
    if (error instanceof KnockError) throw error;
  } finally {
    socket.destroy();
  }
  const cause = await failed;
  if (signal.aborted) return;
  if (isFollowing) throw new KnockError('CONTROL', 'the daemon ended, or cut us off for reading too slowly');
  const hint = 'is knock-otpd running with this configuration, and are you allowed to ask it?';
  throw new KnockError('CONTROL', `no daemon answers at ${path}`, { hint, ...(cause === undefined ? {} : { cause }) });
}
