/**
 * Sends knocks with plain sockets: no root, no raw sockets, the same on Linux, macOS and Windows. It reports only
 * whether a packet left this host, because no answer tells what the server does with it.
 *
 * A TCP knock is a connect. Its socket is closed before the kernel repeats the SYN after 1 s and keeps a half-open
 * connection for minutes: at once, or with `hold` when an answer arrives or the wait ends. On a server whose ports
 * listen, no SYN is seen, only the connection, which exists a round trip later. A UDP knock is one small datagram.
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { codeOf } from '../../shared/files/system-error.ts';
import type { Knock } from '../../shared/knock.ts';
import type { Address, SendOptions, SendReport } from '../deps.ts';

/** Not empty, because some middleboxes drop datagrams without a payload. The server reads only the port. */
const DATAGRAM = Uint8Array.of(0);

/**
 * Errors that show that the SYN has left: a closed port refuses, a router reports an error, the kernel gives up. A
 * knock at a hidden port may get any of them.
 */
const ANSWERS = new Set(['ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'EHOSTUNREACH', 'EHOSTDOWN']);

/** On Windows, ConnectEx passes the SYN on later than connect() elsewhere: closing at once could cancel it. */
const SYN_LEAVES_WITHIN_MS = process.platform === 'win32' ? 25 : 0;

/** Shorter than the kernel's first repetition, longer than a satellite's round trip. */
const ANSWER_WITHIN_MS = 900;

/** Sends the knocks once, in order. Never throws: the report has the knocks that could not be sent. */
export async function sendKnocks(
  { address, family }: Address,
  knocks: readonly Knock[],
  { order, gapMs, signal, hold }: SendOptions,
): Promise<SendReport> {
  const udp = knocks.some(({ protocol }) => protocol === 'udp')
    ? createSocket(family === 4 ? 'udp4' : 'udp6').on('error', () => undefined)
    : undefined;
  const results: Promise<string | undefined>[] = [];
  const held = hold === undefined ? undefined : new HeldSockets(hold);
  try {
    for (const { protocol, port } of knocks) {
      if (results.length > 0 && gapMs > 0) await pause(gapMs, signal);
      if (signal?.aborted) break;
      const result =
        udp !== undefined && protocol === 'udp'
          ? sendDatagram(udp, address, port)
          : sendSyn(address, family, port, held);
      results.push(result);
      if (order === 'strict') await result;
    }
    const failures = (await Promise.all(results)).filter((code) => code !== undefined);
    return { sent: results.length - failures.length, failures };
  } finally {
    udp?.close();
  }
}

/**
 * Connects a UDP socket, which sends nothing but needs a route. So a laptop without a network spends no factor: a HOTP
 * client that spent a counter at every such try would leave the server's look-ahead window.
 */
export async function routeError({ address, family }: Address): Promise<string | undefined> {
  const socket = createSocket(family === 4 ? 'udp4' : 'udp6');
  try {
    // Any port works, because nothing is sent.
    socket.connect(9, address);
    await once(socket, 'connect');
    return undefined;
  } catch (error) {
    return codeOf(error) || 'EUNKNOWN';
  } finally {
    socket.close();
  }
}

/** Returns early when the signal aborts. */
async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await setTimeout(ms, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
}

/** Sockets that wait for an answer to their SYN. */
class HeldSockets {
  readonly #until: AbortSignal;
  readonly #sockets = new Set<Socket>();
  readonly #end = (): void => {
    for (const socket of this.#sockets) socket.destroy();
  };

  constructor(until: AbortSignal) {
    this.#until = until;
  }

  hold(socket: Socket): void {
    if (this.#until.aborted || socket.destroyed || !socket.connecting) {
      socket.destroy();
      return;
    }
    if (this.#sockets.size === 0) this.#until.addEventListener('abort', this.#end);
    this.#sockets.add(socket);
    const timer = globalThis.setTimeout(() => socket.destroy(), ANSWER_WITHIN_MS);
    socket.once('connect', () => socket.destroy());
    socket.once('close', () => {
      clearTimeout(timer);
      this.#sockets.delete(socket);
      if (this.#sockets.size === 0) this.#until.removeEventListener('abort', this.#end);
    });
  }
}

async function sendSyn(
  host: string,
  family: 4 | 6,
  port: number,
  held: HeldSockets | undefined,
): Promise<string | undefined> {
  let failure: string | undefined;
  const socket = connect({ host, port, family, autoSelectFamily: false });
  socket.on('error', (error) => {
    const code = codeOf(error);
    if (!ANSWERS.has(code)) failure = code || 'EUNKNOWN';
  });
  // connect() is called within this turn of the event loop, and its own failures are reported before the next one.
  await (SYN_LEAVES_WITHIN_MS > 0 ? setTimeout(SYN_LEAVES_WITHIN_MS) : setImmediate());
  if (held === undefined) socket.destroy();
  else held.hold(socket);
  return failure;
}

function sendDatagram(socket: UdpSocket, address: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    socket.send(DATAGRAM, port, address, (error) => {
      const code = error === null ? '' : codeOf(error);
      // On one unconnected socket some systems report the answer to an earlier datagram here.
      resolve(code === '' || ANSWERS.has(code) ? undefined : code);
    });
  });
}
