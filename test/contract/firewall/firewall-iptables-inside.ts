/** iptables of both flavours, with sets and with rules: the contract and more. Run by firewall-iptables.test.ts. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { ActionDoor } from '../../../server/firewall/firewall.ts';
import { IptablesTable } from '../../../server/firewall/rules/iptables.ts';
import type { IptablesMode } from '../../../server/firewall/rules/iptables-script.ts';
import { RuleFirewall } from '../../../server/firewall/rules/rule-firewall.ts';
import { supportProgram } from '../../support/host/built.ts';
import { ADDRESSES, FirewallWorld, nft, PORTS } from '../../support/host/firewall-world.ts';
import { hasPatience } from '../../support/host/inside-namespaces.ts';
import { firewallContract, HOUR, keyOf } from './firewall.ts';

const CHILD = supportProgram('faults/rule-child');
const [port, portB, unguarded] = PORTS;
const [client, other] = ADDRESSES.IPv4.clients;
const [client6] = ADDRESSES.IPv6.clients;

let world: FirewallWorld | undefined;
before(async () => {
  world = await FirewallWorld.make();
});
after(() => world?.end());
const theWorld = () => world ?? assert.fail('the world is not made yet');

/** Without --long: the combination that most hosts have, and the other flavour. */
const USUAL = ['nft by sets', 'legacy by rules'];

for (const flavour of ['nft', 'legacy'] as const) {
  const missing = spawnSync(`iptables-${flavour}`, ['-S']).status !== 0;
  for (const mode of ['sets', 'timed rules', 'rules'] as const) {
    if (!hasPatience() && !USUAL.includes(`${flavour} by ${mode}`)) continue;
    const title = `iptables (${flavour}) by ${mode}`;
    if (missing || (mode === 'sets' && spawnSync('ipset', ['list', '-n']).status !== 0)) {
      test(title, (t) => t.skip(`${missing ? `iptables-${flavour}` : 'ipset'} does not work here`));
      continue;
    }
    firewallContract(title, theWorld, {
      make: async () => new RuleFirewall(new IptablesTable({ flavour, modes: [mode] })),
      action: (on) => ({ kind: 'iptables', services: [{ protocol: 'tcp', port: on }] }),
      reset,
    });
    ownTests(title, flavour, mode);
  }
}

function ownTests(title: string, flavour: 'nft' | 'legacy', mode: IptablesMode): void {
  const door = doorOn('a', port);
  const iptables = (...args: string[]) => execFileSync(`iptables-${flavour}`, args, { encoding: 'utf8' });
  const make = () => new RuleFirewall(new IptablesTable({ flavour, modes: [mode] }));
  let firewall: RuleFirewall;

  /** How often the source occurs in our sets or rules. */
  const grants = (source: string) =>
    mode === 'sets'
      ? execFileSync('ipset', ['save'], { encoding: 'utf8' }).split(`${source} timeout`).length - 1
      : iptables('-S', 'KNOCK-OTP').split(`-s ${source}/32 -p`).length - 1;

  describe(title, () => {
    beforeEach(async () => {
      reset();
      firewall = make();
      await firewall.prepare([door], []);
    });

    test('when a source is let in again and again then it stands there once, and not after one close', async () => {
      for (let round = 0; round < 3; round += 1) await firewall.open(door, keyOf(client), HOUR);
      assert.equal(grants(client), 1);
      await firewall.close(door, keyOf(client));
      assert.equal(grants(client), 0);
      assert.equal(iptables('-S', 'INPUT').split('KNOCK-OTP').length - 1, 1);
    });

    test('when the host has rules then they are as they were, before and after, and have their say', async () => {
      reset();
      iptables('-A', 'INPUT', '-s', client, '-p', 'tcp', '--dport', `${port}`, '-j', 'DROP');
      iptables('-A', 'INPUT', '-p', 'tcp', '--dport', `${portB}`, '-j', 'ACCEPT');
      const before = iptables('-S');
      await firewall.prepare([door], []);
      await firewall.prepare([door], []);
      await firewall.open(door, keyOf(client), HOUR);
      await firewall.open(door, keyOf(other), HOUR);
      await theWorld().assertDropped(client, port);
      await theWorld().assertOpen(other, port);
      const ours = iptables('-S')
        .split('\n')
        .filter((line) => !line.includes('KNOCK-OTP'));
      assert.equal(ours.join('\n'), before);
      await firewall.release();
      assert.equal(iptables('-S'), before);
      if (mode === 'sets') assert.equal(execFileSync('ipset', ['list', '-n'], { encoding: 'utf8' }), '');
    });

    test('when an earlier run was killed then its grants are taken over or away, and its chain is called once', async () => {
      for (const source of [client, other]) {
        // A child may choose any mode; our firewall takes over its grants in each.
        const child = spawnSync(process.execPath, [CHILD, `iptables-${flavour}`, `${port}`, source, `${HOUR}`], {
          encoding: 'utf8',
        });
        assert.equal(child.signal, 'SIGKILL', child.stderr);
      }
      // The second child has removed the first child's opening, because its journal was empty.
      await theWorld().assertDropped(client, port);
      await theWorld().assertOpen(other, port);
      const next = make();
      await next.prepare([door], [{ door: 'a', source: keyOf(client), remainingMs: HOUR }]);
      await theWorld().assertOpen(client, port);
      await theWorld().assertDropped(other, port);
      assert.equal(grants(client), 1);
      assert.equal(iptables('-S', 'INPUT').split('KNOCK-OTP').length - 1, 1);
      await next.close(door, keyOf(client));
      await theWorld().assertDropped(client, port);
    });

    if (mode !== 'rules') {
      test('when its time is over then the kernel closes the door, and the later end of two counts', async () => {
        await firewall.open(door, keyOf(client), 1000);
        await firewall.open(door, keyOf(other), 1000);
        await firewall.open(door, keyOf(other), HOUR);
        const limit = performance.now() + 5000;
        while ((await theWorld().tryOnce(client, port, 150)) === 'open') assert(performance.now() < limit);
        await theWorld().assertOpen(other, port);
        assert.deepEqual(
          (await firewall.list()).map(({ source }) => source),
          [keyOf(other)],
        );
      });
    }

    for (const [what, ...damage] of [
      ['the chain is flushed', '-F', 'KNOCK-OTP'],
      ['the chain is no longer called', '-D', 'INPUT', '-j', 'KNOCK-OTP'],
      ['a rule is put before the call', '-I', 'INPUT', '-j', 'ACCEPT'],
      ['a rule is put into the chain', '-I', 'KNOCK-OTP', '-j', 'ACCEPT'],
    ] as const) {
      test(`when ${what} then the guard does not stand, and preparing again mends it`, async () => {
        await firewall.open(door, keyOf(other), HOUR);
        assert.equal(await firewall.guardStands(), true);
        iptables(...damage);
        await theWorld().assertOpen(client, port);
        assert.equal(await firewall.guardStands(), false);
        await firewall.prepare([door], [{ door: 'a', source: keyOf(other), remainingMs: HOUR }]);
        assert.equal(await firewall.guardStands(), true);
        await theWorld().assertDropped(client, port);
        await theWorld().assertOpen(other, port);
      });
    }

    test('when two doors open the same port then either lets in, and the last to close shuts out', async () => {
      const second = doorOn('second', port);
      await firewall.prepare([door, second], []);
      await firewall.open(second, keyOf(client), HOUR);
      await firewall.open(door, keyOf(client), 2 * HOUR);
      await firewall.close(door, keyOf(client));
      await theWorld().assertOpen(client, port);
      await firewall.close(second, keyOf(client));
      await theWorld().assertDropped(client, port);
    });

    test('when sessions are older than the guard then they go on, and nobody else gets in', async () => {
      await firewall.release();
      const sessions = [await theWorld().connect(client, port), await theWorld().connect(client6, port)];
      await firewall.prepare([door], []);
      for (const session of sessions) await theWorld().assertAlive(session);
      await theWorld().assertDropped(client, port);
      assert.match(
        iptables('-S', 'KNOCK-OTP'),
        /-s 10\.77\.0\.2\/32 -d 10\.77\.0\.1\/32 -p tcp -m tcp --sport \d+ --dport 2201 --tcp-flags SYN NONE/,
      );
    });

    test('when the last door of its kind is gone then so is everything of ours', async () => {
      await firewall.open(door, keyOf(client), HOUR);
      await firewall.prepare([], []);
      assert(!iptables('-S').includes('KNOCK-OTP'));
      await theWorld().assertOpen(other, port);
      assert.equal(await firewall.guardStands(), true);
    });

    test('when a door cannot be guarded then preparing rejects and the old guard stands', async () => {
      const wrong: readonly ActionDoor[] = [
        doorOn('a', 65_536),
        doorOn('a', 0.5),
        { name: 'a', action: { kind: 'iptables', services: [] } },
        { name: 'a', action: { kind: 'command', start: 'true' } },
      ];
      for (const each of wrong) await assert.rejects(firewall.prepare([each], []), { code: 'FIREWALL' });
      assert.equal(await firewall.guardStands(), true);
      await theWorld().assertDropped(client, port);
      await theWorld().assertOpen(client, unguarded);
    });
  });
}

function doorOn(name: string, on: number): ActionDoor {
  return { name, action: { kind: 'iptables', services: [{ protocol: 'tcp', port: on }] } };
}

function reset(): void {
  for (const flavour of ['nft', 'legacy']) {
    for (const program of ['iptables', 'ip6tables']) {
      for (const args of [['-P', 'INPUT', 'ACCEPT'], ['-F'], ['-X']]) spawnSync(`${program}-${flavour}`, args);
    }
  }
  spawnSync('ipset', ['destroy']);
  nft('flush ruleset');
}
