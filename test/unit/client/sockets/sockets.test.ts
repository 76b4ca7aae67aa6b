/** The client's sockets against real sockets on loopback: sender, port watch, proxy. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import type { Address, ProbeSeen } from '../../../../client/deps.ts';
import { probe } from '../../../../client/sockets/port-watch.ts';
import { resolveHost } from '../../../../client/sockets/resolve.ts';
import { routeError, sendKnocks } from '../../../../client/sockets/sender.ts';
import { carryConnection } from '../../../../client/ssh/carry-connection.ts';
import { KnockError } from '../../../../shared/errors.ts';
import type { Knock } from '../../../../shared/knock.ts';

const loopback: Address = { address: '127.0.0.1', family: 4 };
/** TEST-NET-1 with the wrong family: the kernel refuses before a packet leaves. */
const impossible: Address = { address: '192.0.2.1', family: 6 };

async function listening(port = 0, onSocket: (socket: Socket) => void = () => undefined): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, (socket) => onSocket(socket.on('error', () => undefined)));
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

function portOf(server: { address(): unknown }): number {
  return (server.address() as AddressInfo).port;
}

/** A port on which nothing listens. */
async function freePort(): Promise<number> {
  const server = await listening();
  const port = portOf(server);
  server.close();
  await once(server, 'close');
  return port;
}

test('when knocks are sent then each TCP port sees a connection that is closed at once and each UDP port a datagram', async () => {
  const servers = await Promise.all([listening(), listening()]);
  const udp = createSocket('udp4');
  udp.bind(0, '127.0.0.1');
  await once(udp, 'listening');
  const knocks: Knock[] = [...servers.map((each) => ({ protocol: 'tcp' as const, port: portOf(each) }))];
  knocks.push({ protocol: 'udp', port: portOf(udp) });
  const arrivals = [...servers.map((each) => once(each, 'connection')), once(udp, 'message')];
  const report = await sendKnocks(loopback, knocks, { order: 'any', gapMs: 0 });
  assert.deepEqual(report, { sent: 3, failures: [] });
  const [first, , datagram] = await Promise.all(arrivals);
  const socket: Socket = first?.[0];
  socket.resume();
  await once(socket, 'end').catch((error) => assert.equal(error.code, 'ECONNRESET'));
  assert.equal(datagram?.[0].length, 1);
  socket.destroy();
  for (const server of servers) server.close();
  udp.close();
});

const SYN_SENT = '02';

/** The number of sockets of this host that wait for an answer to their SYN from a port. */
async function waitingFor(port: number): Promise<number> {
  const table = await readFile('/proc/net/tcp', 'latin1');
  const remote = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return table.split('\n').filter((line) => line.includes(` ${remote} ${SYN_SENT} `)).length;
}

test('when an answer is waited for then the socket stays until then, until nobody waits, or until a second is nearly over', async (t) => {
  if (process.platform !== 'linux') return t.skip('asks /proc');
  // Its queue is full and no process accepts: the kernel drops new connections, so they wait as on a long path.
  const program = `require('net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, function () {
    console.log(this.address().port);
  })`;
  const server = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  const port = Number(String((await once(server.stdout, 'data'))[0]));
  server.kill('SIGSTOP');
  const fill = [0, 1].map(() => connect(port, '127.0.0.1').on('error', () => undefined));
  try {
    await Promise.all(fill.map((socket) => once(socket, 'connect')));
    const knocks: Knock[] = [{ protocol: 'tcp', port }];
    await sendKnocks(loopback, knocks, { order: 'any', gapMs: 0 });
    assert.equal(await waitingFor(port), 0);
    const over = new AbortController();
    await sendKnocks(loopback, knocks, { order: 'any', gapMs: 0, hold: over.signal });
    assert.equal(await waitingFor(port), 1);
    over.abort();
    assert.equal(await waitingFor(port), 0);
    await sendKnocks(loopback, knocks, { order: 'any', gapMs: 0, hold: new AbortController().signal });
    const startedMs = performance.now();
    while ((await waitingFor(port)) > 0) await new Promise((resolve) => setTimeout(resolve, 10));
    const heldMs = performance.now() - startedMs;
    assert.ok(heldMs > 500 && heldMs < 3000, `${heldMs} ms`);
  } finally {
    for (const socket of fill) socket.destroy();
    server.kill('SIGKILL');
  }
});

test('when every port is closed then the refusals count as sent', async () => {
  const port = await freePort();
  const knocks: Knock[] = [
    { protocol: 'tcp', port },
    { protocol: 'udp', port },
    { protocol: 'udp', port },
  ];
  assert.deepEqual(await sendKnocks(loopback, knocks, { order: 'strict', gapMs: 5 }), { sent: 3, failures: [] });
});

test('when the kernel refuses to send then the report counts nothing as sent', async () => {
  const knocks: Knock[] = [
    { protocol: 'tcp', port: 7000 },
    { protocol: 'udp', port: 7000 },
  ];
  const report = await sendKnocks({ address: '255.255.255.255', family: 4 }, knocks, { order: 'any', gapMs: 0 });
  assert.equal(report.sent, 0);
  assert.equal(report.failures.length, 2);
});

test('when there is a route then routeError is silent, and otherwise names the reason', async () => {
  assert.equal(await routeError(loopback), undefined);
  assert.match((await routeError(impossible)) ?? '', /^E[A-Z]+$/);
});

test('when a port begins to listen later then the probe hands over a connection soon after', async () => {
  const port = await freePort();
  const seen: ProbeSeen = { refused: 0, unreachable: 0 };
  const over = new AbortController();
  const probing = probe(loopback, port, seen, over.signal);
  while (seen.refused < 3) await new Promise(setImmediate);
  const server = await listening(port, (socket) => socket.end('hello'));
  const socket = await probing;
  assert.ok(socket !== undefined);
  const [banner] = await once(socket, 'data');
  assert.equal(String(banner), 'hello');
  socket.destroy();
  server.close();
  await once(server, 'close');
});

test('when the process is late then an open port sees one connection', async () => {
  const from: (number | undefined)[] = [];
  const server = await listening(0, (socket) => {
    from.push(socket.remotePort);
    socket.destroy();
  });
  const over = new AbortController();
  const probing = probe(loopback, portOf(server), { refused: 0, unreachable: 0 }, over.signal);
  // The first SYN leaves; when the process continues, all timers are due at once.
  await new Promise(setImmediate);
  const untilMs = performance.now() + 200;
  while (performance.now() < untilMs);
  const socket = await probing;
  assert.ok(socket !== undefined);
  const own = socket.localPort;
  socket.destroy();
  // Connections are accepted in order: after this one there is none of the probe.
  const last = connect(portOf(server), '127.0.0.1');
  await once(last, 'connect');
  const behind = last.localPort;
  while (!from.includes(behind)) await new Promise(setImmediate);
  last.destroy();
  server.close();
  await once(server, 'close');
  assert.deepEqual(from, [own, behind]);
});

test('when the probe is aborted then it gives nothing and leaves no socket behind', async () => {
  const over = new AbortController();
  const seen: ProbeSeen = { refused: 0, unreachable: 0 };
  const probing = probe(loopback, await freePort(), seen, over.signal);
  over.abort();
  assert.equal(await probing, undefined);
  assert.equal(await probe(loopback, 9, seen, over.signal), undefined);
});

interface Pipe {
  readonly stdin: PassThrough;
  readonly stdout: PassThrough;
  readonly done: Promise<void>;
}

async function carried(onSocket: (socket: Socket) => void): Promise<Pipe & { server: Server }> {
  const server = await listening(0, onSocket);
  const socket = connect({ host: '127.0.0.1', port: portOf(server), allowHalfOpen: true });
  await once(socket, 'connect');
  const stdin = new PassThrough();
  const stdout = new PassThrough();
  const closeStdout = async () => {
    stdout.end();
  };
  return { server, stdin, stdout, done: carryConnection(socket, { stdin, stdout, closeStdout }) };
}

async function all(stream: PassThrough): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

test('when our side ends first then what the echo still says arrives whole', async () => {
  const pipe = await carried((socket) => socket.pipe(socket));
  const sent = Buffer.alloc(3_000_000, 'knock');
  const received = all(pipe.stdout);
  pipe.stdin.end(sent);
  assert.ok(sent.equals(await received));
  await pipe.done;
  pipe.server.close();
});

test('when the far side ends first then its end is passed on and we may still speak', async () => {
  let heard = '';
  const pipe = await carried((socket) => {
    socket.end('bye');
    socket.on('data', (chunk) => {
      heard += String(chunk);
    });
  });
  assert.equal(String(await all(pipe.stdout)), 'bye');
  pipe.stdin.end('last words');
  await pipe.done;
  pipe.server.close();
  await once(pipe.server, 'close');
  assert.equal(heard, 'last words');
});

test('when the connection is reset then carrying fails with NETWORK', async () => {
  const pipe = await carried((socket) => socket.once('data', () => socket.resetAndDestroy()));
  pipe.stdin.write('x');
  await assert.rejects(pipe.done, (error) => error instanceof KnockError && error.code === 'NETWORK');
  pipe.server.close();
});

test('when whoever started us goes away then carrying ends without an error', async () => {
  const pipe = await carried((socket) => socket.resume());
  pipe.stdout.destroy(new Error('EPIPE'));
  await pipe.done;
  pipe.server.close();
});

test('when the host is an address then nothing is asked, and a family that does not fit is an error', async () => {
  assert.deepEqual(await resolveHost('[::1]', 0), [{ address: '::1', family: 6 }]);
  await assert.rejects(resolveHost('127.0.0.1', 6), /no IPv6 address/);
  await assert.rejects(resolveHost('does-not-exist.invalid', 0), (error) => {
    return error instanceof KnockError && error.code === 'NETWORK';
  });
});
