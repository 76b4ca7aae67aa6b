/** firewalld with its own bus, /etc and network: the contract and more. Run by firewall-firewalld.test.ts. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { ActionDoor } from '../../../server/firewall/firewall.ts';
import { FirewalldTable } from '../../../server/firewall/rules/firewalld.ts';
import { RuleFirewall } from '../../../server/firewall/rules/rule-firewall.ts';
import { ADDRESSES, FirewallWorld, PORTS } from '../../support/host/firewall-world.ts';
import { privateEtc } from '../../support/host/private-etc.ts';
import { firewallContract, HOUR, keyOf } from './firewall.ts';

const [port, portB, unguarded] = PORTS;
const [client, other] = ADDRESSES.IPv4.clients;
const door: ActionDoor = { name: 'a', action: { kind: 'firewalld', services: [{ protocol: 'tcp', port }] } };

let world: FirewallWorld | undefined;
let putBack: (() => void) | undefined;
const children: ChildProcess[] = [];
const theWorld = () => world ?? assert.fail('the world is not made yet');
const cmd = (...args: string[]) =>
  execFileSync('firewall-cmd', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
const richRules = () =>
  cmd('--zone=drop', '--list-rich-rules')
    .split('\n')
    .filter((line) => line !== '');

/** The zone drops traffic that it does not allow, as the contract requires; `public` would reject it. */
function reset(): void {
  cmd('--reload');
  cmd('--zone=drop', `--add-port=${unguarded}/tcp`);
}

async function start(): Promise<void> {
  mkdirSync('/run/dbus');
  mkdirSync('/run/lock');
  const bus = spawn('dbus-daemon', ['--system', '--nofork', '--nopidfile', '--print-address=1'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(bus);
  await once(bus.stdout, 'data');
  await startFirewalld();
  cmd('--set-default-zone=drop');
}

async function startFirewalld(): Promise<void> {
  const firewalld = spawn('firewalld', ['--nofork', '--nopid'], { stdio: 'ignore' });
  children.push(firewalld);
  const limit = performance.now() + 30_000;
  while (spawnSync('firewall-cmd', ['--state']).status !== 0) {
    assert(performance.now() < limit, 'firewalld does not start');
    await setTimeout(100);
  }
}

if (spawnSync('firewall-cmd', ['--version']).error !== undefined) {
  test('firewalld', (t) => t.skip('firewalld is not installed'));
} else {
  before(async () => {
    world = await FirewallWorld.make();
    putBack = privateEtc('/run', '/var/log');
    await start();
  });
  after(async () => {
    for (const child of children.reverse()) child.kill('SIGKILL');
    putBack?.();
    await world?.end();
  });

  firewallContract('firewalld', theWorld, {
    make: async () => new RuleFirewall(new FirewalldTable()),
    action: (on) => ({ kind: 'firewalld', services: [{ protocol: 'tcp', port: on }] }),
    reset,
  });

  describe('firewalld', () => {
    let firewall: RuleFirewall;
    // A reload of firewalld removes rules but not their timers, which would end a later rule of the same text.
    before(async () => {
      const firewalld = children.pop();
      assert(firewalld !== undefined);
      const ended = once(firewalld, 'exit');
      firewalld.kill('SIGTERM');
      await ended;
      await startFirewalld();
    });
    beforeEach(async () => {
      reset();
      firewall = new RuleFirewall(new FirewalldTable());
      await firewall.prepare([door], []);
    });

    test('when a source is let in again then its rule stands there once, with the later end, and goes with one close', async () => {
      await firewall.open(door, keyOf(client), 1000);
      await firewall.open(door, keyOf(client), HOUR);
      await firewall.open(door, keyOf(other), 1000);
      assert.equal(richRules().filter((rule) => rule.includes(`"${client}"`)).length, 1);
      const limit = performance.now() + 10_000;
      while ((await theWorld().tryOnce(other, port, 200)) === 'open') assert(performance.now() < limit);
      await theWorld().assertOpen(client, port);
      await firewall.close(door, keyOf(client));
      assert.deepEqual(richRules(), []);
    });

    test('when the administrator has rich rules then they are as they were, and ours of an earlier run are not', async () => {
      const his = `rule family="ipv4" source address="${client}" port port="${port}" protocol="tcp" accept`;
      cmd('--zone=drop', `--add-rich-rule=${his}`);
      await firewall.open(door, keyOf(client), HOUR);
      await firewall.open(door, keyOf(other), HOUR);
      const next = new RuleFirewall(new FirewalldTable());
      await next.prepare([door], [{ door: 'a', source: keyOf(client), remainingMs: HOUR }]);
      assert.equal(richRules().length, 2);
      await theWorld().assertDropped(other, port);
      await next.close(door, keyOf(client));
      assert.deepEqual(richRules(), [his]);
    });

    for (const [what, says, ...command] of [
      ['lets everyone to the port', /zone drop lets everyone to tcp\/2202/, '--zone=drop', `--add-port=2200-2210/tcp`],
      ['lets everyone to the service', /zone drop lets everyone to tcp\/22$/, '--zone=drop', '--add-service=ssh'],
    ] as const) {
      test(`when a zone ${what} then preparing is refused with a hint`, async () => {
        cmd(...command);
        const services = [what.includes('service') ? 22 : portB].map((on) => ({ protocol: 'tcp' as const, port: on }));
        await assert.rejects(
          new RuleFirewall(new FirewalldTable()).prepare([{ name: 'a', action: { kind: 'firewalld', services } }], []),
          (error: Error & { hint?: string }) => says.test(error.message) && error.hint !== undefined,
        );
      });
    }
  });
}
