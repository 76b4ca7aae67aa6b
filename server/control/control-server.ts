/**
 * The daemon's side of the control socket: bounded lines, bounded connections, one answer each, which the handler gives.
 * Only local root can connect, but a stuck or broken client must not cost anything either.
 */
import { chmod, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { formatProblem, KnockError } from '../../shared/errors.ts';
import { formatProblemOf } from '../log/error-text.ts';
import {
  controlSocketPath,
  MAX_REQUEST_BYTES,
  parseRequest,
  parseStreamRequest,
  type Request,
  type WrittenAnswer,
} from './control-requests.ts';
import { type Follow, stream } from './control-stream.ts';

const MAX_CONNECTIONS = 16;
const TIMEOUT_MS = 5_000;

export interface ControlListener {
  close(): Promise<void>;
}

/**
 * Listens in `stateDir`. The caller holds the state's lock, so an existing socket file belongs to a dead daemon.
 * @throws KnockError CONTROL
 */
export async function listenForControl(
  stateDir: string,
  handle: (request: Request) => Promise<unknown>,
  follow: Follow = () => undefined,
): Promise<ControlListener> {
  const path = controlSocketPath(stateDir);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    serve(socket, handle, follow);
  });
  server.maxConnections = MAX_CONNECTIONS;
  try {
    await rm(path, { force: true });
    await listen(server, path);
    await chmod(path, 0o600);
  } catch (cause) {
    throw new KnockError('CONTROL', `cannot listen on ${path}`, { cause, hint: 'state_dir must be writable' });
  }
  return {
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function serve(socket: Socket, handle: (request: Request) => Promise<unknown>, follow: Follow): void {
  let text = '';
  let answering = false;
  socket.setEncoding('utf8');
  socket.setTimeout(TIMEOUT_MS, () => socket.destroy());
  socket.on('error', () => socket.destroy());
  // Reads on after the line: unread data would hide the client's end, and the connection would never be freed.
  socket.on('data', (chunk: string) => {
    text += chunk;
    if (text.length > MAX_REQUEST_BYTES) socket.destroy();
    const end = text.indexOf('\n');
    if (end < 0 || answering || socket.destroyed) return;
    answering = true;
    socket.setTimeout(0);
    if (parseStreamRequest(text.slice(0, end)) !== undefined) {
      socket.removeAllListeners('data');
      stream(socket, follow);
      return;
    }
    void answer(text.slice(0, end), handle).then((reply) => {
      socket.end(`${JSON.stringify(reply)}\n`);
      socket.setTimeout(TIMEOUT_MS);
    });
  });
}

async function answer(line: string, handle: (request: Request) => Promise<unknown>): Promise<WrittenAnswer> {
  const request = parseRequest(line);
  if (request === undefined) return { ok: false, code: 'CONTROL', message: 'the daemon does not know this request' };
  try {
    return { ok: true, result: await handle(request) };
  } catch (error) {
    if (!(error instanceof KnockError)) return { ok: false, code: 'CONTROL', message: 'the daemon failed to answer' };
    // As formatted lines, which include the place of each problem.
    const problems = error.problems.map((problem) => formatProblem(problem));
    return {
      ok: false,
      code: error.code,
      message: formatProblemOf(error),
      ...(problems.length > 0 ? { problems } : {}),
    };
  }
}

async function listen(server: Server, path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
