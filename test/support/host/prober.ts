/**
 * A process for the other end of a virtual cable: opens connections on request, with one JSON object a line on stdin
 * and one answer a line on stdout. `firewall-world.ts` starts it in its own namespace.
 */
import { createSocket } from 'node:dgram';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

export type ProberRequest =
  | { id: number; do: 'connect'; host: string; port: number; from: string; timeoutMs: number }
  | { id: number; do: 'datagram'; host: string; port: number; from: string }
  | { id: number; do: 'echo'; connection: number; text: string }
  | { id: number; do: 'hear'; connection: number; timeoutMs: number }
  | { id: number; do: 'end'; connection: number };

/** `open`, `timeout`, the text that came back, or the code of the error. */
export interface ProberAnswer {
  id: number;
  result: string;
}

const sockets = new Map<number, Socket>();

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line) as ProberRequest;
  void answer(request).then((result) => process.stdout.write(`${JSON.stringify({ id: request.id, result })}\n`));
}

function answer(request: ProberRequest): Promise<string> {
  switch (request.do) {
    case 'connect':
      return open(request);
    case 'datagram':
      return datagram(request);
    case 'echo':
      return echo(request.connection, request.text);
    case 'hear':
      return hear(request.connection, request.timeoutMs);
    case 'end':
      sockets.get(request.connection)?.destroy();
      sockets.delete(request.connection);
      return Promise.resolve('ended');
  }
}

function open({ id, host, port, from, timeoutMs }: ProberRequest & { do: 'connect' }): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, localAddress: from });
    const patience = setTimeout(() => {
      socket.destroy();
      resolve('timeout');
    }, timeoutMs);
    socket.on('connect', () => {
      clearTimeout(patience);
      sockets.set(id, socket);
      resolve('open');
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(patience);
      resolve(error.code ?? 'error');
    });
  });
}

function datagram({ host, port, from }: ProberRequest & { do: 'datagram' }): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    socket.on('error', reject);
    socket.bind(0, from, () => {
      socket.send('hello', port, host, () => {
        socket.close();
        resolve('sent');
      });
    });
  });
}

function echo(connection: number, text: string): Promise<string> {
  const socket = sockets.get(connection);
  if (socket === undefined) return Promise.resolve('no such connection');
  return new Promise((resolve) => {
    const patience = setTimeout(() => resolve('timeout'), 5000);
    let received = '';
    const listen = (data: Buffer) => {
      received += data.toString('utf8');
      if (!received.includes(text)) return;
      clearTimeout(patience);
      socket.off('data', listen);
      resolve(text);
    };
    socket.on('data', listen);
    socket.write(text);
  });
}

/** Sends a message: `data` when anything comes back, `ended` when the other end closes, `timeout` for neither. */
function hear(connection: number, timeoutMs: number): Promise<string> {
  const socket = sockets.get(connection);
  if (socket === undefined || socket.destroyed) return Promise.resolve('ended');
  return new Promise((resolve) => {
    const patience = setTimeout(() => resolve('timeout'), timeoutMs);
    const answer = (result: string) => {
      clearTimeout(patience);
      resolve(result);
    };
    socket.on('data', () => answer('data'));
    socket.on('close', () => answer('ended'));
    socket.write('is anybody there?');
  });
}
