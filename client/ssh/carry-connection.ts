/**
 * `--proxy`: carries a connection between our standard streams and the socket that verification has opened, as OpenSSH's
 * ProxyCommand wants it. Each direction ends on its own: a FIN from either side is passed on while the other side may
 * still speak.
 */
import type { Socket } from 'node:net';
import { KnockError } from '../../shared/errors.ts';
import { codeOf } from '../../shared/files/system-error.ts';
import type { Deps } from '../deps.ts';

/** Resolves when both directions have ended. @throws KnockError NETWORK when the connection broke before */
export function carryConnection(socket: Socket, deps: Pick<Deps, 'stdin' | 'stdout' | 'closeStdout'>): Promise<void> {
  const { stdin, stdout, closeStdout } = deps;
  return new Promise((resolve, reject) => {
    let failure: KnockError | undefined;
    let farSideEnded = false;
    let outputClosed = Promise.resolve();

    socket.once('end', () => {
      farSideEnded = true;
      outputClosed = closeStdout();
    });
    socket.on('error', (error) => {
      // A server that has said its last word may reset what we still send: nobody waits for that.
      if (farSideEnded) return;
      failure = new KnockError('NETWORK', `the connection broke: ${codeOf(error)}`, { cause: error });
    });
    // Whoever started us went away: nothing is left to carry. Not an error of the connection.
    stdout.once('error', () => socket.destroy());
    stdin.once('error', () => socket.destroy());
    socket.once('close', () => {
      stdin.unpipe(socket);
      stdin.destroy();
      outputClosed.then(() => (failure === undefined ? resolve() : reject(failure)), reject);
    });
    socket.pipe(stdout, { end: false });
    stdin.pipe(socket);
  });
}
