/**
 * Streamed answers on the control socket: lines until the client disconnects. The daemon never waits for a client: one that
 * reads too slowly is disconnected.
 */
import { createConnection, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { KnockError } from '../../shared/errors.ts';
import { controlSocketPath, parseAnswer, type StreamRequest } from './control-requests.ts';

/** Maximum of bytes that wait for a client. */
const MAX_BACKLOG = 256 * 1024;

/** Starts to send lines and returns a function that stops it; undefined when too many clients follow already. */
export type Follow = (send: (line: string) => void) => (() => void) | undefined;

/** The daemon's side. */
export function stream(socket: Socket, follow: Follow): void {
  const send = (line: string): void => {
    if (socket.writableLength > MAX_BACKLOG) socket.destroy();
    if (!socket.destroyed) socket.write(`${line}\n`);
  };
  const stop = follow(send);
  if (stop === undefined) {
    const message = 'too many others follow already';
    socket.end(`${JSON.stringify({ ok: false, code: 'CONTROL', message })}\n`);
    return;
  }
  socket.on('close', stop);
  // Only a socket that is read reports its end.
  socket.resume().on('end', () => socket.destroy());
  send(JSON.stringify({ ok: true, result: 'following' }));
}

/**
 * The client's side: calls `onLine` for each line until the daemon ends or `signal` is aborted.
 * @throws KnockError CONTROL when no daemon answers, or when it ends or disconnects us
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
    // Errors of the socket itself are reported below.
    if (error instanceof KnockError) throw error;
  } finally {
    socket.destroy();
  }
  const cause = await failed;
  if (signal.aborted) return;
  if (isFollowing) throw new KnockError('CONTROL', 'the daemon ended, or disconnected this slow reader');
  const hint = 'is knock-otpd running with this configuration, and are you allowed to ask it?';
  throw new KnockError('CONTROL', `no daemon answers at ${path}`, { hint, ...(cause === undefined ? {} : { cause }) });
}
