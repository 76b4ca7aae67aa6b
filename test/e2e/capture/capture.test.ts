/** The capture on real packets: the daemon receives all packets of an interface, also after the interface was down. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Network, type NetworkHost, skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import type { RunningProcess } from '../../../scripts/lab/running-process.ts';
import { frameOf } from '../../support/core/frames.ts';
import { listening, states } from '../../support/daemon/started-capture.ts';

const options = { skip: skipWithoutNamespaces(), timeout: 60_000 };
/** After the return of an interface, the capture must hear knocks within this time. */
const RETURN_MS = 3000;

/** Sends UDP without waiting for an answer. */
async function datagram(from: NetworkHost, address: string, port: number): Promise<void> {
  await from.run(['bash', '-c', 'echo knock > "/dev/udp/$0/$1"', address, `${port}`]);
}

/** Knocks again and again until the capture hears it or the time is over. */
async function heardWithin(
  capture: RunningProcess,
  client: NetworkHost,
  server: NetworkHost,
  port: number,
  timeoutMs: number,
): Promise<void> {
  const heard = new RegExp(`^packet .* > ${server.ipv4.replaceAll('.', '\\.')} ${port}$`);
  const line = capture.waitForLine(heard, capture.mark, timeoutMs);
  let waiting = true;
  const knocking = (async () => {
    while (waiting) await client.run(['hping3', '-q', '-c', '1', '-i', 'u100000', '-S', '-p', `${port}`, server.ipv4]);
  })();
  try {
    await line;
  } finally {
    waiting = false;
    await knocking;
  }
}

/** The frame with VLAN tags, id 100, between its addresses and its ethertype. */
function tagged(frame: Buffer, tags: readonly number[]): Buffer {
  const inserted = tags.flatMap((tag) => [tag >> 8, tag & 0xff, 0, 100]);
  return Buffer.concat([frame.subarray(0, 12), Buffer.from(inserted), frame.subarray(12)]);
}

/** Sends one raw frame. */
async function replay(context: TestContext, from: NetworkHost, frame: Buffer): Promise<void> {
  const scratch = await mkdtemp(join(tmpdir(), 'knock-otp-capture-'));
  context.after(() => rm(scratch, { recursive: true }));
  // pcap file and record header: little-endian, microseconds, Ethernet.
  const header = Buffer.alloc(40);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(65_535, 16);
  header.writeUInt32LE(1, 20);
  header.writeUInt32LE(frame.length, 32);
  header.writeUInt32LE(frame.length, 36);
  const file = join(scratch, 'frame.pcap');
  await writeFile(file, Buffer.concat([header, frame]));
  await from.must(['tcpreplay', '-q', '-i', 'eth0', file]);
}

test('when any TCP packet is asked for then each comes with its flags, IPv4 and IPv6', options, async () => {
  await using network = await Network.create(['server', 'client']);
  const [server, client] = [network.host('server'), network.host('client')];
  const capture = await listening(server, 'any', 'eth0');
  for (const [option, flags] of [
    ['-F', 0x01],
    ['-A', 0x10],
    ['-X', 0x40],
  ] as const) {
    await client.run(['hping3', '-q', '-c', '1', option, '-p', '8001', server.ipv4]);
    await capture.waitForLine(new RegExp(`^packet 10\\.77\\.0\\.2 > 10\\.77\\.0\\.1 8001 ${flags}$`));
  }
  await client.connect(server.ipv6, 8002);
  await capture.waitForLine(/^packet fd77::2 > fd77::1 8002 2$/);
  assert.equal((await capture.end()).code, 0);
});

test('when knocks come over IPv4, IPv6, UDP and VLANs then all are heard, each once', options, async (context) => {
  await using network = await Network.create(['server', 'client']);
  const [server, client] = [network.host('server'), network.host('client')];
  const capture = await listening(server, 'udp', 'eth0');
  await client.connect(server.ipv4, 8001);
  await capture.waitForLine(/^packet 10\.77\.0\.2 > 10\.77\.0\.1 8001$/);
  await client.connect(server.ipv6, 8002);
  await capture.waitForLine(/^packet fd77::2 > fd77::1 8002$/);
  await datagram(client, server.ipv4, 8003);
  await capture.waitForLine(/^packet 10\.77\.0\.2 > 10\.77\.0\.1 8003:udp$/);
  await datagram(client, server.ipv6, 8004);
  await capture.waitForLine(/^packet fd77::2 > fd77::1 8004:udp$/);
  const ends = { fromMac: client.mac, toMac: server.mac, from: client.ipv4, to: server.ipv4 };
  await replay(context, client, tagged(frameOf(ends, { protocol: 'tcp', port: 8005 }), [0x8100]));
  await capture.waitForLine(/^packet 10\.77\.0\.2 > 10\.77\.0\.1 8005$/);
  await replay(context, client, tagged(frameOf(ends, { protocol: 'udp', port: 8006 }), [0x88a8, 0x8100]));
  await capture.waitForLine(/^packet 10\.77\.0\.2 > 10\.77\.0\.1 8006:udp$/);
  const { code, stderr } = await capture.end();
  assert.equal(code, 0);
  for (const port of [8001, 8002, 8003, 8004, 8005, 8006]) {
    assert.equal(stderr.match(new RegExp(` ${port}\\b`, 'g'))?.length, 1, `${port} in\n${stderr}`);
  }
});

test('when UDP is not asked for then it is not heard, and TCP is', options, async () => {
  await using network = await Network.create(['server', 'client']);
  const [server, client] = [network.host('server'), network.host('client')];
  const capture = await listening(server, 'tcp', 'eth0');
  await datagram(client, server.ipv4, 8003);
  await client.connect(server.ipv4, 8001);
  await capture.waitForLine(/ 8001$/);
  assert.doesNotMatch((await capture.end()).stderr, /8003/);
});

test('when the interface is any or lo then loopback and the network are heard', options, async () => {
  await using network = await Network.create(['server', 'client']);
  const [server, client] = [network.host('server'), network.host('client')];
  const capture = await listening(server, 'udp', 'any');
  await client.connect(server.ipv4, 8001);
  await capture.waitForLine(/^packet 10\.77\.0\.2 > 10\.77\.0\.1 8001$/);
  await client.connect(server.ipv6, 8002);
  await capture.waitForLine(/^packet fd77::2 > fd77::1 8002$/);
  await server.connect('127.0.0.1', 8003);
  await capture.waitForLine(/^packet 127\.0\.0\.1 > 127\.0\.0\.1 8003$/);
  const { stderr } = await capture.end();
  assert.equal(stderr.match(/ 8003$/gm)?.length, 1);

  const loopback = await listening(server, 'tcp', 'lo');
  await server.connect('127.0.0.1', 8004);
  await loopback.waitForLine(/^packet 127\.0\.0\.1 > 127\.0\.0\.1 8004$/);
  await server.connect('::1', 8005);
  await loopback.waitForLine(/^packet ::1 > ::1 8005$/);
  await loopback.end();
});

test('when nftables hands packets over by NFLOG then what it chose is heard', options, async () => {
  await using network = await Network.create(['server', 'client']);
  const [server, client] = [network.host('server'), network.host('client')];
  const rules = `
    table inet chosen {
      chain input {
        type filter hook prerouting priority raw
        tcp dport 8001 log group 5 snaplen 128
      }
    }`;
  await server.must(['nft', '-f', '-'], { input: rules });
  const capture = await listening(server, 'tcp', 'nflog:5');
  await client.connect(server.ipv4, 8002);
  await client.connect(server.ipv4, 8001);
  await capture.waitForLine(/^packet 10\.77\.0\.2 > 10\.77\.0\.1 8001$/);
  await client.connect(server.ipv6, 8001);
  await capture.waitForLine(/^packet fd77::2 > fd77::1 8001$/);
  assert.doesNotMatch((await capture.end()).stderr, /8002/);
});

test(
  'when an interface goes down, is deleted and comes back then each is said once and knocks are heard in time',
  options,
  async () => {
    await using network = await Network.create(['server', 'client']);
    const [server, client] = [network.host('server'), network.host('client')];
    const capture = await listening(server, 'tcp', 'eth0');
    await heardWithin(capture, client, server, 7001, RETURN_MS);

    await server.ip('link set eth0 down');
    await capture.waitForLine(/^state eth0 deaf the interface is down$/);
    // IPv6 addresses go with the link; IPv4 is enough here.
    await server.ip('link set eth0 up');
    await heardWithin(capture, client, server, 7002, RETURN_MS);

    await network.unplug(server);
    await capture.waitForLine(/^state eth0 deaf the interface does not exist$/);
    await network.plug(server);
    await heardWithin(capture, client, server, 7003, RETURN_MS);

    // Faster than the supervisor's checks.
    await network.unplug(server);
    await network.plug(server);
    await heardWithin(capture, client, server, 7004, RETURN_MS);

    const heard = ['eth0 listening', 'eth0 deaf'];
    assert.deepEqual(states(capture), [...heard, ...heard, ...heard, 'eth0 listening']);
    const { code, stderr } = await capture.end();
    assert.equal(code, 0);
    const others = stderr.split('\n').filter((line) => !/^(state|packet) |^started$|^stopped$|^$/.test(line));
    assert.deepEqual(others, [], 'nothing of the assertion that ended the child');
  },
);

test(
  'when an interface is missing or has no address at the start then the rest is heard, and it too once it is there',
  options,
  async () => {
    await using network = await Network.create(['server', 'client']);
    const [server, client] = [network.host('server'), network.host('client')];
    await network.unplug(server);
    const capture = await listening(server, 'tcp', 'eth0', 'lo');
    assert.deepEqual(new Set(states(capture)), new Set(['eth0 deaf', 'lo listening']));
    await network.plug(server, { addresses: false });
    await capture.waitForLine(/^state eth0 listening/);
    await network.address(server);
    await heardWithin(capture, client, server, 7001, RETURN_MS);

    await server.ip('addr flush dev eth0\naddr add 10.77.0.1/24 dev eth0');
    await heardWithin(capture, client, server, 7002, RETURN_MS);
    assert.deepEqual(
      states(capture).filter((state) => state.startsWith('eth0')),
      ['eth0 deaf', 'eth0 listening'],
    );
    await capture.end();
  },
);
