/**
 * The listening sockets: opens and closes ports as ordered, and reports connections and datagrams. It does not know which
 * ports are live, so its behaviour cannot reveal them: every connection is accepted and reset at once, on every port.
 *
 * A reset leaves no TIME_WAIT: a flood cannot fill memory with it, and the port can be bound again at once.
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { type AddressKey, addressKey } from '../../../shared/address.ts';
import { type Pair, pairOf } from '../../../shared/knock.ts';

/** The ports that shall listen, each list ascending. */
export interface PortOrder {
  readonly tcp: readonly number[];
  readonly udp: readonly number[];
}

export interface OrderResult {
  readonly bound: number;
  readonly taken: number;
  readonly refused: number;
}

/** `destination` is undefined for a datagram, because the system does not tell to which address it was sent. */
export type PortListener = (source: AddressKey, destination: AddressKey | undefined, pair: Pair) => void;

/** Connections per port that may wait for accept. Beyond it the kernel drops them, or uses SYN cookies. */
const BACKLOG = 64;

export class Listeners {
  readonly #onArrival: PortListener;
  readonly #host: '::' | '0.0.0.0';
  readonly #udpKinds: readonly ('udp4' | 'udp6')[];
  readonly #tcp = new Map<number, Server>();
  readonly #udp = new Map<number, readonly UdpSocket[]>();
  #last: Promise<unknown> = Promise.resolve();

  private constructor(hasIpv6: boolean, onArrival: PortListener) {
    this.#onArrival = onArrival;
    this.#host = hasIpv6 ? '::' : '0.0.0.0';
    // libuv makes TCP sockets dual-stack whatever the system's default is, but leaves UDP sockets at the default.
    this.#udpKinds = !hasIpv6 ? ['udp4'] : isIpv6Only() ? ['udp6', 'udp4'] : ['udp6'];
  }

  static async create(onArrival: PortListener): Promise<Listeners> {
    const probe = createServer();
    const hasIpv6 = (await listening(probe, { port: 0, host: '::' })) === undefined;
    probe.close();
    return new Listeners(hasIpv6, onArrival);
  }

  /** Executes orders one after the other. Never rejects. */
  follow(order: PortOrder): Promise<OrderResult> {
    const result = this.#last.then(() => this.#follow(order));
    this.#last = result;
    return result;
  }

  async #follow({ tcp, udp }: PortOrder): Promise<OrderResult> {
    const counts = { bound: 0, taken: 0, refused: 0 };
    const count = (code: string | undefined): void => {
      counts[code === undefined ? 'bound' : code === 'EADDRINUSE' ? 'taken' : 'refused'] += 1;
    };
    // New ports first, in ascending order, live or decoy.
    const opening = [
      ...tcp.map((port) => (this.#tcp.has(port) ? undefined : this.#openTcp(port))),
      ...udp.map((port) => (this.#udp.has(port) ? undefined : this.#openUdp(port))),
    ];
    for (const code of await Promise.all(opening)) count(code);
    const [wantedTcp, wantedUdp] = [new Set(tcp), new Set(udp)];
    for (const [port, server] of this.#tcp) {
      if (wantedTcp.has(port)) continue;
      server.close();
      this.#tcp.delete(port);
    }
    for (const [port, sockets] of this.#udp) {
      if (wantedUdp.has(port)) continue;
      for (const socket of sockets) socket.close();
      this.#udp.delete(port);
    }
    return counts;
  }

  async #openTcp(port: number): Promise<string | undefined> {
    const pair = pairOf('tcp', port);
    const server = createServer({ pauseOnConnect: true }, (socket) => this.#accept(socket, pair));
    const code = await listening(server, { port, host: this.#host });
    if (code !== undefined) return code;
    // accept may fail for lack of descriptors; libuv keeps one in reserve to close such a connection.
    server.on('error', () => {});
    this.#tcp.set(port, server);
    return undefined;
  }

  #accept(socket: Socket, pair: Pair): void {
    socket.on('error', () => {});
    const { remoteAddress, localAddress } = socket;
    socket.resetAndDestroy();
    // Undefined when the peer reset the connection before it was accepted.
    const source = remoteAddress === undefined ? undefined : addressKey(remoteAddress);
    const destination = localAddress === undefined ? undefined : addressKey(localAddress);
    if (source !== undefined && destination !== undefined) this.#onArrival(source, destination, pair);
  }

  async #openUdp(port: number): Promise<string | undefined> {
    const pair = pairOf('udp', port);
    const sockets: UdpSocket[] = [];
    for (const type of this.#udpKinds) {
      const socket = createSocket({ type, ipv6Only: type === 'udp6' && this.#udpKinds.length > 1 });
      const code = await binding(socket, port, type === 'udp6' ? '::' : '0.0.0.0');
      if (code !== undefined) {
        for (const open of sockets) open.close();
        return code;
      }
      sockets.push(socket.on('error', () => {}));
      socket.on('message', (_data, { address }) => {
        const source = addressKey(address);
        if (source !== undefined) this.#onArrival(source, undefined, pair);
      });
    }
    this.#udp.set(port, sockets);
    return undefined;
  }
}

/** Resolves to the system's error code, or undefined on success. */
function listening(
  server: Server,
  place: { readonly port: number; readonly host: string },
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const fail = (error: NodeJS.ErrnoException): void => resolve(error.code ?? 'EUNKNOWN');
    server.once('error', fail);
    server.listen({ ...place, backlog: BACKLOG, exclusive: true }, () => {
      server.off('error', fail);
      resolve(undefined);
    });
  });
}

function binding(socket: UdpSocket, port: number, address: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    socket.once('error', (error: NodeJS.ErrnoException) => {
      socket.on('error', () => {});
      socket.close();
      resolve(error.code ?? 'EUNKNOWN');
    });
    socket.bind({ port, address, exclusive: true }, () => resolve(undefined));
  });
}

function isIpv6Only(): boolean {
  try {
    return readFileSync('/proc/sys/net/ipv6/bindv6only', 'latin1').trim() === '1';
  } catch {
    return false;
  }
}
