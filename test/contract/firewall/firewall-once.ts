/** nftables doors that open once: the kernel closes the door after one connection, and no event restores the grant. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { beforeEach, describe, test } from 'node:test';
import type { ActionDoor } from '../../../server/firewall/firewall.ts';
import { NftablesFirewall } from '../../../server/firewall/nftables/nftables.ts';
import type { NftRunner } from '../../../server/nft/nft-runner.ts';
import { supportProgram } from '../../support/host/built.ts';
import { ADDRESSES, type FirewallWorld, nft, PORTS } from '../../support/host/firewall-world.ts';
import { hasPatience } from '../../support/host/inside-namespaces.ts';
import { HOUR, keyOf } from './firewall.ts';

const CHILD = supportProgram('faults/firewall-child');
const [port, portB] = PORTS;

export function onceTests(world: () => FirewallWorld, runner: NftRunner): void {
  const door = doorOn('once', [port, portB]);
  let firewall: NftablesFirewall;

  describe(`a door that opens once, nftables through ${runner.via}`, () => {
    beforeEach(async () => {
      nft('flush ruleset');
      firewall = new NftablesFirewall(runner);
      await firewall.prepare([door], []);
    });

    for (const [family, { clients }] of Object.entries(ADDRESSES)) {
      const [client, other] = clients;

      test(`when a source is let in over ${family} then its first connection passes, lives on, and is the only one`, async () => {
        await firewall.open(door, keyOf(client), HOUR);
        await world().assertDropped(other, port);
        assert.deepEqual(await firewall.usedUp(), []);
        const session = await world().connect(client, port);
        await world().assertDropped(client, port);
        await world().assertDropped(client, portB);
        await world().assertAlive(session);
        assert.deepEqual(await firewall.list(), []);
        assert.deepEqual(await usedBy(firewall), [`once ${keyOf(client)}`]);
        await firewall.close(door, keyOf(client));
        assert.deepEqual(await firewall.usedUp(), []);
        await world().assertAlive(session);
      });
    }

    const [client, other] = ADDRESSES.IPv4.clients;

    test('when it is let in again, used or not, then one more connection passes', async () => {
      await firewall.open(door, keyOf(client), 500);
      await firewall.open(door, keyOf(client), HOUR);
      await world().assertOpen(client, port);
      await world().assertDropped(client, port);
      await firewall.open(door, keyOf(client), HOUR);
      assert.deepEqual(await firewall.usedUp(), []);
      await world().assertOpen(client, portB);
      await world().assertDropped(client, port);
    });

    test('when nobody comes then the kernel ends the grant, and it is not said to be used', async () => {
      await firewall.open(door, keyOf(client), 300);
      const limit = performance.now() + 5000;
      while ((await firewall.list()).length > 0) assert(performance.now() < limit, 'the grant has no end');
      assert.deepEqual(await firewall.usedUp(), []);
      await world().assertDropped(client, port);
    });

    test('when packets come that open no connection then they use nothing up', async () => {
      await firewall.open(door, keyOf(client), HOUR);
      const target = `${ADDRESSES.IPv4.server} -p ${port}`;
      fromClient(world(), `for f in -A -R -F "-S -A" ''; do hping3 -q -c 1 $f ${target} & done 2>/dev/null; wait`);
      assert.deepEqual(await firewall.usedUp(), []);
      await world().assertOpen(client, port);
    });

    test('when the SYN is sent again before there is an answer then it passes, and another connection does not', async () => {
      // Answers are dropped before conntrack sees them, so the connection stays new to it.
      nft(`table inet lossy {
        chain out { type filter hook output priority raw; tcp flags & (syn | ack) == (syn | ack) drop; }
        chain in { type filter hook input priority filter; tcp dport ${port} tcp flags & (syn | ack) == syn counter; }
      }`);
      await firewall.open(door, keyOf(client), HOUR);
      const waiting = world().connect(client, port);
      const limit = performance.now() + 5000;
      const passed = () => Number(/counter packets (\d+)/.exec(nft('list chain inet lossy in'))?.[1]);
      while (passed() < 2) {
        assert(performance.now() < limit, 'no second SYN passed');
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      await world().assertDropped(client, portB);
      nft('delete table inet lossy');
      await world().assertAlive(await waiting);
    });

    test('when datagrams of one flow come before any answer then all pass, and those of another flow do not', async () => {
      const udp = doorOn('udp', [port], 'udp');
      await firewall.prepare([udp, doorOn('other', [portB], 'udp')], []);
      await firewall.open(udp, keyOf(client), HOUR);
      const server = createSocket('udp4').bind(port, ADDRESSES.IPv4.server);
      await once(server, 'listening');
      const heard: number[] = [];
      server.on('message', (_, from) => heard.push(from.port));
      const flow = `exec 3<>/dev/udp/${ADDRESSES.IPv4.server}/${port}`;
      fromClient(world(), `${flow}; for word in a b c; do printf $word >&3; done`);
      await world().datagram(client, port);
      await firewall.open(udp, keyOf(other), HOUR);
      await world().datagram(other, port);
      const limit = performance.now() + 5000;
      while (heard.length < 4 && performance.now() < limit) await new Promise((resolve) => setTimeout(resolve, 10));
      server.close();
      assert.equal(heard.length, 4, heard.join(' '));
      assert.deepEqual([heard[0], heard[0]], [heard[1], heard[2]]);
    });

    test('when a source is in by a lasting grant of another door of that port then its grant for once is kept', async () => {
      const lasting: ActionDoor = {
        name: 'lasting',
        action: { kind: 'nftables', services: [{ protocol: 'tcp', port }] },
      };
      await firewall.prepare([door, lasting], []);
      await firewall.open(door, keyOf(client), HOUR);
      await firewall.open(lasting, keyOf(client), HOUR);
      await world().assertOpen(client, port);
      await world().assertOpen(client, port);
      assert.deepEqual(await firewall.usedUp(), []);
      await firewall.close(lasting, keyOf(client));
      await world().assertOpen(client, port);
      await world().assertDropped(client, port);
    });

    test('when a new process prepares then an unused grant is as before, and a used one does not come back', async () => {
      for (const source of [client, other]) await firewall.open(door, keyOf(source), HOUR);
      await world().assertOpen(client, port);
      const next = new NftablesFirewall(runner);
      const openings = [client, other].map((source) => ({ door: 'once', source: keyOf(source), remainingMs: HOUR }));
      await next.prepare([door], openings);
      await world().assertDropped(client, port);
      assert.deepEqual(await usedBy(next), [`once ${keyOf(client)}`]);
      await world().assertOpen(other, port);
      await world().assertDropped(other, port);
    });

    test('when the daemon is killed then the kernel goes on closing behind one connection', async () => {
      const args = [CHILD, `${port}`, client, `${HOUR}`, 'once'];
      const child = spawnSync(process.execPath, args, { encoding: 'utf8' });
      assert.equal(child.signal, 'SIGKILL', child.stderr);
      await world().assertOpen(client, port);
      await world().assertDropped(client, port);
    });

    test('when the table was flushed then grants that may have been used are not given again, and a new one is', async () => {
      await firewall.open(door, keyOf(client), HOUR);
      nft('flush ruleset');
      await firewall.open(door, keyOf(other), HOUR);
      await world().assertDropped(client, port);
      assert.deepEqual(await usedBy(firewall), [`once ${keyOf(client)}`]);
      await world().assertOpen(other, port);
      await world().assertDropped(other, port);
    });

    test('when preparing is refused then a grant that was not used is still there', async () => {
      await firewall.open(door, keyOf(client), HOUR);
      const openings = [{ door: 'once', source: keyOf(client), remainingMs: HOUR }];
      await assert.rejects(firewall.prepare([door, doorOn('a b', [portB])], openings), { code: 'FIREWALL' });
      assert.deepEqual(await firewall.usedUp(), []);
      await world().assertOpen(client, port);
      await world().assertDropped(client, port);
    });

    test('when it is prepared again and again while it is used then still only one connection passes', async () => {
      for (let round = 0; round < (hasPatience() ? 5 : 1); round += 1) {
        await firewall.open(door, keyOf(client), HOUR);
        const openings = [{ door: 'once', source: keyOf(client), remainingMs: HOUR }];
        let preparing = true;
        const preparations = (async () => {
          while (preparing) await firewall.prepare([door], openings);
        })();
        const results = await Promise.all(Array.from({ length: 8 }, () => world().tryOnce(client, port, 1500)));
        preparing = false;
        await preparations;
        assert.equal(results.filter((result) => result === 'open').length, 1, results.join(' '));
        await firewall.close(door, keyOf(client));
      }
    });
  });
}

function doorOn(name: string, ports: readonly number[], protocol: 'tcp' | 'udp' = 'tcp'): ActionDoor {
  return { name, action: { kind: 'nftables', once: true, services: ports.map((each) => ({ protocol, port: each })) } };
}

async function usedBy(firewall: NftablesFirewall): Promise<readonly string[]> {
  return (await firewall.usedUp()).map(({ door, source }) => `${door} ${source}`);
}

/** Runs a script in the prober's namespace, whose programs send from the first client's address. */
function fromClient(world: FirewallWorld, script: string): void {
  const { status, stderr } = spawnSync('nsenter', ['-t', `${world.proberPid}`, '-n', 'bash', '-c', script], {
    encoding: 'utf8',
    timeout: 20_000,
  });
  assert.equal(status, 0, stderr);
}
