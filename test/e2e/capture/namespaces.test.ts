/** The network hosts of the other end-to-end tests: they reach each other, and leave nothing behind. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Network, skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import { pcapOf } from '../../support/core/frames.ts';

const options = { skip: skipWithoutNamespaces(), timeout: 60_000 };

test('three hosts reach each other over IPv4 and IPv6 at once', options, async () => {
  await using network = await Network.create(['server', 'client', 'other']);
  const server = network.host('server');
  for (const name of ['client', 'other']) {
    for (const address of [server.ipv4, server.ipv6]) {
      assert.equal((await network.host(name).connect(address, 4444)).state, 'refused', `${name} to ${address}`);
    }
  }
});

test('when an interface was deleted and plugged in again then hosts reach each other', options, async () => {
  await using network = await Network.create(['server', 'client']);
  const [server, client] = [network.host('server'), network.host('client')];
  await network.unplug(server);
  assert.equal((await client.connect(server.ipv4, 4444)).state, 'silent');
  await network.plug(server);
  assert.equal((await client.connect(server.ipv4, 4444)).state, 'refused');
});

test('the kernel takes frames of our own making for whole and answers them', options, async (context) => {
  const scratch = await mkdtemp(join(tmpdir(), 'knock-otp-frames-'));
  context.after(() => rm(scratch, { recursive: true }));
  await using network = await Network.create(['server', 'client']);
  const [server, client] = [network.host('server'), network.host('client')];
  for (const [from, to] of [
    [client.ipv4, server.ipv4],
    [client.ipv6, server.ipv6],
  ] as const) {
    const file = join(scratch, 'frames.pcap');
    const knocks = [
      { protocol: 'tcp' as const, port: 4444 },
      { protocol: 'udp' as const, port: 5555 },
    ];
    writeFileSync(file, pcapOf({ fromMac: client.mac, toMac: server.mac, from, to }, knocks));
    await client.must(['tcpreplay', '-q', '-i', 'eth0', file]);
  }
  // The kernel accepted each frame (it drops wrong checksums) and answered: a reset, a port unreachable.
  const counters = await server.must(['cat', '/proc/net/snmp', '/proc/net/snmp6']);
  assert.equal(counterOf(counters, 'Tcp', 'OutRsts'), 2);
  assert.equal(counterOf(counters, 'Tcp', 'InCsumErrors'), 0);
  assert.equal(counterOf(counters, 'Udp', 'NoPorts'), 1);
  assert.match(counters, /Udp6NoPorts\s+1\n/);
});

/** A counter of /proc/net/snmp, whose lines come in pairs: names, then numbers. */
function counterOf(text: string, protocol: string, name: string): number {
  const [names = [], numbers = []] = text
    .split('\n')
    .filter((line) => line.startsWith(`${protocol}: `))
    .map((line) => line.split(' '));
  return Number(numbers[names.indexOf(name)]);
}

test('when the network is taken down then its holders are gone', options, async () => {
  const network = await Network.create(['server']);
  const pid = network.host('server').holderPid;
  assert.match(readFileSync(`/proc/${pid}/comm`, 'utf8'), /cat/);
  await network.dispose();
  assert.throws(() => readFileSync(`/proc/${pid}/comm`, 'utf8'));
});
