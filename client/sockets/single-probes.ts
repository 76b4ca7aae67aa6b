/** The sockets of `doctor`: one datagram with its answer, one connection attempt with its result. */
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { codeOf } from '../../shared/files/system-error.ts';
import type { Address, PortAnswer } from '../deps.ts';

/** Sends one datagram and returns the first answer; undefined when there is none in time. */
export function exchange(
  { address, family }: Address,
  port: number,
  datagram: Uint8Array,
  timeoutMs: number,
): Promise<Uint8Array | undefined> {
  const socket = createSocket(family === 4 ? 'udp4' : 'udp6');
  return new Promise((resolve) => {
    function end(answer: Uint8Array | undefined): void {
      clearTimeout(timer);
      socket
        .removeAllListeners()
        .on('error', () => undefined)
        .close();
      resolve(answer);
    }
    const timer = setTimeout(() => end(undefined), timeoutMs);
    socket.once('error', () => end(undefined));
    socket.once('message', (message) => end(message));
    // On a connected socket the kernel accepts only datagrams from that address and port.
    socket.connect(port, address, () => socket.send(datagram));
  });
}

export function tryPort({ address, family }: Address, port: number, timeoutMs: number): Promise<PortAnswer> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, family, autoSelectFamily: false });
    const timer = setTimeout(() => end('silent'), timeoutMs);
    function end(answer: PortAnswer): void {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    }
    socket.once('connect', () => end('open'));
    socket.on('error', (error) => {
      const code = codeOf(error);
      if (code === 'ECONNREFUSED' || code === 'ECONNRESET') end('refused');
      else end(code === 'ETIMEDOUT' ? 'silent' : 'unreachable');
    });
  });
}
