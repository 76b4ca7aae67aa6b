/** The listening sockets, real ones on loopback, and their orders. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { test } from 'node:test';
import { Listeners } from '../../../../../server/capture/listen/listeners.ts';
import { formatOrder, parseOrder } from '../../../../../server/capture/listen/orders.ts';
import { type AddressKey, formatAddress } from '../../../../../shared/address.ts';
import { formatKnock, knockOf, type Pair } from '../../../../../shared/knock.ts';

const NOTHING = { tcp: [], udp: [] };

/** Ports that are free at the moment, ascending. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports.toSorted((a, b) => a - b);
}

/** Collects arrivals as text, with a promise for the next one. */
function arrivals() {
  const seen: string[] = [];
  let wake = (): void => {};
  const onArrival = (source: AddressKey, destination: AddressKey | undefined, pair: Pair): void => {
    const place = destination === undefined ? '?' : formatAddress(destination);
    seen.push(`${formatAddress(source)} > ${place} ${formatKnock(knockOf(pair))}`);
    wake();
  };
  const next = async (count: number): Promise<void> => {
    while (seen.length < count) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  return { seen, onArrival, next };
}

/** How a connection ended; it may have been reset before the client saw it established. */
async function touch(port: number, host = '127.0.0.1'): Promise<string> {
  const socket = connect({ port, host });
  let end = 'closed in order';
  socket.on('error', (error: NodeJS.ErrnoException) => {
    end = error.code ?? '';
  });
  socket.resume();
  await new Promise((resolve) => socket.once('close', resolve));
  return end;
}

test('when a port listens then a connection is told of and reset, in both families, by IPv4 keys for IPv4', async () => {
  const { seen, onArrival, next } = arrivals();
  const listeners = await Listeners.create(onArrival);
  const [port = 0] = await freePorts(1);
  assert.deepEqual(await listeners.follow({ tcp: [port], udp: [] }), { bound: 1, taken: 0, refused: 0 });
  assert.equal(await touch(port), 'ECONNRESET');
  await next(1);
  await touch(port, '::1');
  await next(2);
  assert.deepEqual(seen, [`127.0.0.1 > 127.0.0.1 ${port}`, `::1 > ::1 ${port}`]);
  await listeners.follow(NOTHING);
  assert.equal(await touch(port), 'ECONNREFUSED');
});

test('when a port listens for datagrams then one is told of, whatever is in it', async () => {
  const { seen, onArrival, next } = arrivals();
  const listeners = await Listeners.create(onArrival);
  const [port = 0] = await freePorts(1);
  assert.equal((await listeners.follow({ tcp: [], udp: [port] })).bound, 1);
  const socket = createSocket('udp4');
  socket.send('knock', port, '127.0.0.1');
  await next(1);
  socket.send('', port, '127.0.0.1');
  await next(2);
  assert.deepEqual(seen, [`127.0.0.1 > ? ${port}:udp`, `127.0.0.1 > ? ${port}:udp`]);
  socket.close();
  await listeners.follow(NOTHING);
});

test('when ports go and come back at once, right after connections, then they can be bound', async () => {
  const { onArrival, next } = arrivals();
  const listeners = await Listeners.create(onArrival);
  const ports = await freePorts(20);
  for (let round = 0; round < 3; round += 1) {
    assert.equal((await listeners.follow({ tcp: ports, udp: [] })).bound, 20);
    await Promise.all(ports.map((port) => touch(port)));
    await next(20 * (round + 1));
    await listeners.follow(NOTHING);
  }
});

test('when somebody holds a port then the others listen, and it does too once it is free', async () => {
  const listeners = await Listeners.create(() => {});
  const [free = 0] = await freePorts(1);
  const holder = createServer().listen(0);
  await once(holder, 'listening');
  const { port } = holder.address() as AddressInfo;
  const order = { tcp: [free, port].toSorted((a, b) => a - b), udp: [] };
  assert.deepEqual(await listeners.follow(order), { bound: 1, taken: 1, refused: 0 });
  assert.equal(await touch(free), 'ECONNRESET');
  await once(holder.close(), 'close');
  assert.deepEqual(await listeners.follow(order), { bound: 2, taken: 0, refused: 0 });
  await listeners.follow(NOTHING);
});

test('when orders come faster than they are carried out then the last one holds', async () => {
  const listeners = await Listeners.create(() => {});
  const [one = 0, two = 0] = await freePorts(2);
  const orders = [{ tcp: [one], udp: [] }, { tcp: [one, two], udp: [] }, NOTHING, { tcp: [two], udp: [] }];
  await Promise.all(orders.map((order) => listeners.follow(order)));
  assert.equal(await touch(one), 'ECONNREFUSED');
  assert.equal(await touch(two), 'ECONNRESET');
  await listeners.follow(NOTHING);
});

const orders = [
  { number: 1, tcp: [], udp: [] },
  { number: 4_294_967_295, tcp: [1024, 65_535], udp: [] },
  { number: 7, tcp: [], udp: [1, 2, 3] },
];

for (const order of orders) {
  test(`when order ${order.number} is written and read then it is what it was`, () => {
    assert.deepEqual(parseOrder(formatOrder(order)), order);
  });
}

for (const line of ['', '1', '1 2', '0 1 2', '1 70000 ', '1 0 ', '1 1,,2 ', '1 a ', '1 1 2 3', '-1 1 ']) {
  test(`when a line is no order (${JSON.stringify(line)}) then it is not taken for one`, () => {
    assert.equal(parseOrder(line), undefined);
  });
}
