/** nftables beyond the contract: ends grants by itself, changes in one step, repairs its table. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { beforeEach, describe, test } from 'node:test';
import type { ActionDoor } from '../../../server/firewall/firewall.ts';
import { NftablesFirewall } from '../../../server/firewall/nftables/nftables.ts';
import type { NftRunner } from '../../../server/nft/nft-runner.ts';
import { supportProgram } from '../../support/host/built.ts';
import { ADDRESSES, type FirewallWorld, nft, PORTS } from '../../support/host/firewall-world.ts';
import { keyOf } from './firewall.ts';

const CHILD = supportProgram('faults/firewall-child');
const MINUTE = 60_000;
const [port, portB, unguarded] = PORTS;
const [client, other] = ADDRESSES.IPv4.clients;
const [client6] = ADDRESSES.IPv6.clients;

export function nftablesTests(world: () => FirewallWorld, runner: NftRunner): void {
  const door = doorOn('a', port);
  let firewall: NftablesFirewall;

  describe(`nftables through ${runner.via}`, () => {
    beforeEach(async () => {
      nft('flush ruleset');
      firewall = new NftablesFirewall(runner);
      await firewall.prepare([door], []);
    });

    test('when its time is over then the kernel closes the door, the session lives on', async () => {
      await firewall.open(door, keyOf(client), 1500);
      const session = await world().connect(client, port);
      await untilDropped(world(), client, 1500);
      await world().assertAlive(session);
      assert.deepEqual(await firewall.list(), []);
    });

    test('when the daemon is killed then the door stays guarded and the grant ends on time', async () => {
      const child = spawnSync(process.execPath, [CHILD, `${port}`, client, '1500'], {
        encoding: 'utf8',
      });
      assert.equal(child.signal, 'SIGKILL', child.stderr);
      await world().assertDropped(other, port);
      await untilDropped(world(), client, 1500);
    });

    test('when a source is let in again then the new end holds, later or sooner', async () => {
      await firewall.open(door, keyOf(client), 500);
      await firewall.open(door, keyOf(client), MINUTE);
      const [listed] = await firewall.list();
      assert(listed !== undefined && listed.remainingMs > MINUTE / 2, `${listed?.remainingMs}`);
      await firewall.open(door, keyOf(client), 500);
      await untilDropped(world(), client, 500);
    });

    test('when the shortest grant is given then it ends, and one of no time is refused', async () => {
      await firewall.open(door, keyOf(client), 0.01);
      await untilDropped(world(), client, 100);
      for (const durationMs of [0, -1, Number.NaN]) {
        await assert.rejects(firewall.open(door, keyOf(client), durationMs), { code: 'FIREWALL' });
      }
      assert.deepEqual(await firewall.list(), []);
    });

    test('when a grant would last for ages then it still has an end', async () => {
      await firewall.open(door, keyOf(client), Number.MAX_SAFE_INTEGER);
      const [listed] = await firewall.list();
      assert(
        listed !== undefined && Number.isFinite(listed.remainingMs) && listed.remainingMs > 365 * 24 * 60 * MINUTE,
      );
    });

    test('when it is prepared again and again then no attempt slips through and nobody loses his opening', async () => {
      await firewall.open(door, keyOf(client), MINUTE);
      const results: string[] = [];
      let preparing = true;
      const attempts = (async () => {
        while (preparing) {
          // Many short attempts at once, so that SYNs arrive all the time.
          const batch = Array.from({ length: 5 }, () => world().tryOnce(other, port, 20));
          results.push(...(await Promise.all(batch)));
          await world().assertOpen(client, port);
        }
      })();
      // Enough rounds and enough attempts, on fast and on slow machines.
      for (let rounds = 0; rounds < 30 || results.length < 50; rounds += 1) {
        await firewall.prepare([door], [{ door: 'a', source: keyOf(client), remainingMs: MINUTE }]);
      }
      preparing = false;
      await attempts;
      assert.deepEqual(new Set(results), new Set(['timeout']));
    });

    test('when doors change at a reload then the gone one is unguarded, the new one guarded, the kept one as it was', async () => {
      await firewall.prepare([door, doorOn('b', portB)], []);
      await firewall.open(door, keyOf(client), MINUTE);
      const openings = await firewall.list();
      await firewall.prepare([door, doorOn('c', unguarded)], openings);
      await world().assertOpen(client, port);
      await world().assertDropped(other, port);
      await world().assertOpen(client, portB);
      await world().assertDropped(client, unguarded);
      await firewall.close(doorOn('b', portB), keyOf(client));
    });

    test('when two doors open the same port then either lets in', async () => {
      const second = doorOn('second', port);
      await firewall.prepare([door, second], []);
      await firewall.open(second, keyOf(client), MINUTE);
      await firewall.open(door, keyOf(other), MINUTE);
      await world().assertOpen(client, port);
      await world().assertOpen(other, port);
      await firewall.close(second, keyOf(client));
      await world().assertDropped(client, port);
    });

    test('when a door has several ports then all open and close together', async () => {
      const wide: ActionDoor = {
        name: 'wide',
        action: {
          kind: 'nftables',
          services: [port, portB].map((each) => ({ protocol: 'tcp', port: each })),
        },
      };
      await firewall.prepare([wide], []);
      await world().assertDropped(client6, portB);
      await firewall.open(wide, keyOf(client6), MINUTE);
      await world().assertOpen(client6, port);
      await world().assertOpen(client6, portB);
    });

    test('when another table drops or accepts a source then that is as without us', async () => {
      nft(`table inet other {
        chain in {
          type filter hook input priority filter
          ip saddr ${client} tcp dport ${port} drop
        }
        chain early {
          type filter hook input priority filter - 20
          ip saddr ${other} accept
        }
      }`);
      await firewall.open(door, keyOf(client), MINUTE);
      await world().assertDropped(client, port);
      await world().assertDropped(other, port);
      await firewall.prepare([door], []);
      await firewall.release();
      assert.match(nft('list table inet other'), /chain early/);
      await world().assertOpen(other, port);
    });

    test('when it is released then nothing of ours is left', async () => {
      await firewall.release();
      assert.equal(nft('list ruleset').trim(), '');
      assert.equal(await firewall.guardStands(), false);
      await firewall.release();
      await world().assertOpen(client, port);
      await assert.rejects(firewall.open(door, keyOf(client), MINUTE), { code: 'FIREWALL' });
    });

    for (const [what, damage] of [
      ['the ruleset is flushed', 'flush ruleset'],
      ['the chain is flushed', 'flush chain inet knock_otp guard'],
      ['a rule is put before ours', 'insert rule inet knock_otp guard accept'],
      ['the table is switched off', 'add table inet knock_otp { flags dormant; }'],
    ] as const) {
      test(`when ${what} then the guard does not stand, and preparing again mends it`, async () => {
        assert.equal(await firewall.guardStands(), true);
        nft(damage);
        await world().assertOpen(client, port);
        assert.equal(await firewall.guardStands(), false);
        await firewall.prepare([door], []);
        assert.equal(await firewall.guardStands(), true);
        await world().assertDropped(client, port);
      });
    }

    test('when the ruleset is flushed then opening or closing builds the guard again with all that is open', async () => {
      await firewall.open(door, keyOf(client), MINUTE);
      nft('flush ruleset');
      await firewall.open(door, keyOf(client6), MINUTE);
      assert.equal(await firewall.guardStands(), true);
      await world().assertOpen(client, port);
      await world().assertOpen(client6, port);
      await world().assertDropped(other, port);
      nft('flush ruleset');
      await firewall.close(door, keyOf(client));
      await world().assertDropped(client, port);
      await world().assertOpen(client6, port);
    });

    test('when a program of this host connects then it gets in, unless loopback is guarded too', async () => {
      assert.equal(await connectLocally(), 'open');
      const strict = new NftablesFirewall(runner, { guardLoopback: true });
      await strict.prepare([door], []);
      assert.equal(await connectLocally(), 'timeout');
      await strict.open(door, keyOf('127.0.0.1'), MINUTE);
      assert.equal(await connectLocally(), 'open');
    });

    test('when a UDP service is guarded then only granted datagrams arrive, and TCP there is as before', async () => {
      const udp: ActionDoor = { name: 'u', action: { kind: 'nftables', services: [{ protocol: 'udp', port }] } };
      await firewall.prepare([udp], []);
      await world().assertOpen(client, port);
      await firewall.open(udp, keyOf(other), MINUTE);
      const socket = createSocket('udp4').bind(port, ADDRESSES.IPv4.server);
      await once(socket, 'listening');
      const senders: string[] = [];
      socket.on('message', (_, { address }) => senders.push(address));
      // The refused sender goes first: when the granted datagram arrives, the other one would have arrived before.
      const granted = once(socket, 'message');
      for (const from of [client, other]) await world().datagram(from, port);
      await granted;
      socket.close();
      assert.deepEqual(senders, [other]);
    });

    test('when names are long and odd then each door has sets of its own', async () => {
      const names = [
        'a.b',
        'a-b',
        'a_b',
        'ab',
        'AB',
        'a_2eb',
        'ip',
        'set',
        '4',
        `x${'_'.repeat(63)}`,
        `x${'.'.repeat(63)}`,
      ];
      const doors = names.map((name, index) => doorOn(name, 3000 + index));
      await firewall.prepare(doors, []);
      for (const [index, each] of doors.entries()) await firewall.open(each, keyOf(`192.0.2.${index}`), MINUTE);
      const listed = (await firewall.list()).map((opening) => `${opening.door} ${opening.source}`).sort();
      assert.deepEqual(listed, names.map((name, index) => `${name} ${keyOf(`192.0.2.${index}`)}`).sort());
    });

    test('when there are thousands of openings then all are prepared in one step', async () => {
      const openings = Array.from({ length: 5000 }, (_, n) => ({
        door: 'a',
        source: keyOf(n % 2 === 0 ? `198.18.${n >> 8}.${n & 255}` : `2001:db8::${n.toString(16)}`),
        remainingMs: MINUTE,
      }));
      await firewall.prepare([door], openings);
      const listed = await firewall.list();
      assert.deepEqual(new Set(listed.map(({ source }) => source)), new Set(openings.map(({ source }) => source)));
      assert.equal(await firewall.guardStands(), true);
    });

    test('when a door cannot be guarded then preparing rejects and the old guard stands', async () => {
      const wrong: readonly ActionDoor[] = [
        doorOn('a b', port),
        doorOn('a; flush ruleset', port),
        doorOn('a', 65_536),
        doorOn('a', 0.5),
        { name: 'a', action: { kind: 'nftables', services: [] } },
        { name: 'a', action: { kind: 'command', start: 'true' } },
      ];
      for (const each of wrong) await assert.rejects(firewall.prepare([each], []), { code: 'FIREWALL' });
      await assert.rejects(firewall.prepare([door, door], []), { code: 'FIREWALL' });
      assert.equal(await firewall.guardStands(), true);
      await world().assertDropped(client, port);
    });
  });
}

function doorOn(name: string, onPort: number): ActionDoor {
  return { name, action: { kind: 'nftables', services: [{ protocol: 'tcp', port: onPort }] } };
}

/** Waits until two attempts in a row are dropped: a single one may be slow on a busy machine. */
async function untilDropped(world: FirewallWorld, from: string, durationMs: number): Promise<void> {
  const limit = performance.now() + durationMs + 5000;
  for (let dropped = 0; dropped < 2; ) {
    dropped = (await world.tryOnce(from, port, 200)) === 'timeout' ? dropped + 1 : 0;
    assert(dropped > 0 || performance.now() < limit, 'the door is still open');
  }
}

async function connectLocally(): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port });
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(500) });
    return 'open';
  } catch {
    return 'timeout';
  } finally {
    socket.destroy();
  }
}
