/**
 * `--proxy`: carries a connection between the standard streams and the verified socket, as OpenSSH's ProxyCommand
 * expects. Each direction ends by itself: a FIN from one side is passed on while the other side may still send.
 */
import type { Socket } from 'node:net';
import { KnockError } from '../../shared/errors.ts';
import { codeOf } from '../../shared/files/system-error.ts';
import type { Deps } from '../deps.ts';

/** Resolves when both directions have ended. @throws KnockError NETWORK when the connection breaks before */
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
      // After its last data the server may reset what this side still sends: that is no error.
      if (farSideEnded) return;
      failure = new KnockError('NETWORK', `the connection broke: ${codeOf(error)}`, { cause: error });
    });
    // The parent process is gone, so there is nothing left to carry. The connection did not fail.
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
