/**
 * ufw with its own /etc and network: the contract, and our rules beside the administrator's. Run by
 * firewall-ufw.test.ts.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { ActionDoor } from '../../../server/firewall/firewall.ts';
import { RuleFirewall } from '../../../server/firewall/rules/rule-firewall.ts';
import { UfwTable } from '../../../server/firewall/rules/ufw.ts';
import { supportProgram } from '../../support/host/built.ts';
import { ADDRESSES, FirewallWorld, PORTS } from '../../support/host/firewall-world.ts';
import { privateEtc } from '../../support/host/private-etc.ts';
import { firewallContract, HOUR, keyOf } from './firewall.ts';

const CHILD = supportProgram('faults/rule-child');
const [port, , unguarded] = PORTS;
const [client, other] = ADDRESSES.IPv4.clients;
const [client6] = ADDRESSES.IPv6.clients;
const door: ActionDoor = { name: 'a', action: { kind: 'ufw', services: [{ protocol: 'tcp', port }] } };

let world: FirewallWorld | undefined;
let putBack: (() => void) | undefined;
const theWorld = () => world ?? assert.fail('the world is not made yet');
const ufw = (...args: string[]) => execFileSync('ufw', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
const added = () => ufw('show', 'added').trim().split('\n').slice(1);

function reset(): void {
  ufw('--force', 'reset');
  ufw('default', 'deny', 'incoming');
  ufw('allow', `${unguarded}/tcp`);
  ufw('--force', 'enable');
}

if (spawnSync('ufw', ['--version']).status !== 0) {
  test('ufw', (t) => t.skip('ufw is not installed'));
} else {
  before(async () => {
    world = await FirewallWorld.make();
    putBack = privateEtc('/run');
  });
  after(async () => {
    putBack?.();
    await world?.end();
  });

  firewallContract('ufw', theWorld, {
    make: async () => new RuleFirewall(new UfwTable()),
    action: (on) => ({ kind: 'ufw', services: [{ protocol: 'tcp', port: on }] }),
    reset,
  });

  describe('ufw', () => {
    let firewall: RuleFirewall;
    beforeEach(async () => {
      reset();
      firewall = new RuleFirewall(new UfwTable());
      await firewall.prepare([door], []);
    });

    test('when a source is let in twice then its rule stands there once, first and marked, and goes with one close', async () => {
      const before = added();
      await firewall.open(door, keyOf(client), HOUR);
      await firewall.open(door, keyOf(client), HOUR);
      await firewall.open(door, keyOf(client6), HOUR);
      assert.deepEqual(
        new Set(added()),
        new Set([
          ...before,
          `ufw allow from ${client} to any port ${port} proto tcp comment 'knock-otp a'`,
          `ufw allow from ${client6} to any port ${port} proto tcp comment 'knock-otp a'`,
        ]),
      );
      assert.match(ufw('status', 'numbered'), new RegExp(`\\[ 1\\] ${port}/tcp +ALLOW IN +${client} +# knock-otp a`));
      await firewall.close(door, keyOf(client));
      await firewall.close(door, keyOf(client6));
      assert.deepEqual(added(), before);
    });

    test('when the administrator has a deny rule for everyone then the opening comes before it', async () => {
      ufw('deny', `${port}/tcp`);
      await firewall.open(door, keyOf(client), HOUR);
      await theWorld().assertOpen(client, port);
      await theWorld().assertDropped(other, port);
    });

    test('when the administrator has the same rule then it is neither marked nor deleted', async () => {
      ufw('allow', 'proto', 'tcp', 'from', client, 'to', 'any', 'port', `${port}`);
      const before = added();
      await firewall.open(door, keyOf(client), HOUR);
      assert.deepEqual(added(), before);
      await firewall.close(door, keyOf(client));
      const next = new RuleFirewall(new UfwTable());
      await next.prepare([door], []);
      assert.deepEqual(added(), before);
    });

    test('when the daemon is killed then the next start takes the rule away, or over', async () => {
      const before = added();
      for (const source of [client, other]) {
        const child = spawnSync(process.execPath, [CHILD, 'ufw', `${port}`, source, `${HOUR}`], {
          encoding: 'utf8',
        });
        assert.equal(child.signal, 'SIGKILL', child.stderr);
        await theWorld().assertOpen(source, port);
      }
      // The second child has removed the first child's rule.
      await theWorld().assertDropped(client, port);
      const next = new RuleFirewall(new UfwTable());
      await next.prepare([door], [{ door: 'a', source: keyOf(other), remainingMs: HOUR }]);
      assert.equal(added().length, before.length + 1);
      await next.close(door, keyOf(other));
      assert.deepEqual(added(), before);
    });

    const services = [22, port].map((on) => ({ protocol: 'tcp' as const, port: on }));
    const prepared = () =>
      new RuleFirewall(new UfwTable()).prepare([{ name: 'a', action: { kind: 'ufw', services } }], []);
    const server = ADDRESSES.IPv4.server;
    for (const [what, says, ...command] of [
      ['is switched off', /not active/, '--force disable'],
      ['allows everything', /allowed by default/, 'default allow incoming'],
      ['allows the port to everyone', /: tcp.2201 is allowed for everyone/, `allow ${port}/tcp`],
      ['limits a range with the port', /: tcp.2201 is allowed for everyone/, 'limit 2200:2210/tcp'],
      ['allows an application', /: tcp.22 is allowed for everyone/, 'allow OpenSSH'],
      ['allows the port on an interface', /: tcp.2201 is .*-i server/, `allow in on server to any port ${port}`],
      ['allows it there for TCP', /: tcp.2201 is .*-i server/, `allow in on server to any port ${port} proto tcp`],
      ['allows a whole interface', /: tcp.22 is .*-i server -j/, 'allow in on server'],
      ['allows an interface that is not there yet', /: tcp.22 is .*-i ppp0/, 'allow in on ppp0'],
      ['limits the port on an interface', /: tcp.2201 is allowed/, `limit in on server to any port ${port} proto tcp`],
      ['allows the port at an own address', /: tcp.2201 is .*-d 10.77/, `allow from any to ${server} port ${port}`],
      ['allows an own address of IPv6', /: tcp.22 is .*-d fd77/, `allow from any to ${ADDRESSES.IPv6.server}`],
      ['allows half of the internet', /: tcp.2201 is allowed/, `allow from 128.0.0.0/1 to any port ${port}`],
      [
        'allows several ports on an interface',
        /: tcp.2201 is allowed/,
        `allow in on server proto tcp to any port 80,${port}`,
      ],
      ['allows it after a rule for somebody else', /: tcp.22 is/, 'deny from 192.0.2.0/24', 'allow in on server'],
    ] as const) {
      test(`when ufw ${what} then preparing is refused with a hint`, async () => {
        for (const words of command) ufw(...words.split(' '));
        await assert.rejects(
          prepared(),
          (error: Error & { hint?: string }) => says.test(error.message) && error.hint !== undefined,
        );
      });
    }

    for (const [what, ...command] of [
      ['allows the loopback interface', 'allow in on lo'],
      ['allows the port to a network', `allow from 192.0.2.0/24 to any port ${port}`, 'allow from fd00::/8'],
      ['allows an interface to a network', `allow in on server from 192.168.0.0/16 to any port ${port}`],
      ['denies before it allows', `deny in on server to any port ${port}`, 'reject 22/tcp', 'allow in on server'],
      ['allows another port on an interface', `allow in on server to any port ${unguarded} proto tcp`],
      ['allows the port for the other protocol', `allow in on server to any port ${port} proto udp`],
      ['lets another interface pass through', `route allow in on server to any port ${port}`],
    ] as const) {
      test(`when ufw ${what} then strangers stay out and preparing succeeds`, async () => {
        for (const words of command) ufw(...words.split(' '));
        await theWorld().assertDropped(ADDRESSES.IPv4.stranger, port);
        await prepared();
      });
    }

    for (const [what, says, rule] of [
      ['lets everyone in before ufw', /: tcp.2201 is allowed/, `-p tcp --dport ${port} -j ACCEPT`],
      ['has a condition that nobody understands', /not clear whether tcp.22 /, '-m mark --mark 7 -j ACCEPT'],
    ] as const) {
      test(`when another program ${what} then preparing is refused, and the guard does not stand`, async () => {
        assert.equal(await firewall.guardStands(), true);
        execFileSync('iptables', ['-I', 'INPUT', ...rule.split(' ')]);
        try {
          await assert.rejects(prepared(), says);
          assert.equal(await firewall.guardStands(), false);
        } finally {
          execFileSync('iptables', ['-D', 'INPUT', ...rule.split(' ')]);
        }
        assert.equal(await firewall.guardStands(), true);
      });
    }

    test('when ufw is switched off then the guard does not stand', async () => {
      assert.equal(await firewall.guardStands(), true);
      ufw('--force', 'disable');
      assert.equal(await firewall.guardStands(), false);
    });

    test('when it is released then no rule of ours is left', async () => {
      const before = added();
      await firewall.open(door, keyOf(client), HOUR);
      await firewall.release();
      assert.deepEqual(added(), before);
    });
  });
}
