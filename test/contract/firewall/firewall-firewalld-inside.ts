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

    const prepared = (on: number) => {
      const action = { kind: 'firewalld' as const, services: [{ protocol: 'tcp' as const, port: on }] };
      return new RuleFirewall(new FirewalldTable()).prepare([{ name: 'a', action }], []);
    };
    const rule = `rule family="ipv4" port port="${portB}" protocol="tcp"`;
    for (const [what, on, says, ...commands] of [
      ['lets everyone to the port', portB, /: zone drop lets everyone to tcp.2202/, ['--add-port=2200-2210/tcp']],
      ['lets everyone to the service', 22, /: zone drop lets everyone to tcp.22$/, ['--add-service=ssh']],
      ['lets everyone to the protocol', portB, /: zone drop lets everyone/, ['--add-protocol=tcp']],
      ['lets everyone in from a port', portB, /: zone drop lets everyone/, ['--add-source-port=1024-65535/tcp']],
      [
        'leads to the port',
        22,
        /zone drop leads everyone .* tcp.22$/,
        ['--add-forward-port=port=8:proto=tcp:toport=22'],
      ],
      [
        'has a rule with a service and a limit',
        22,
        /: zone drop lets/,
        ['--add-rich-rule=rule service name="ssh" accept limit value="3/m"'],
      ],
      ['has a rule for a port', portB, /: zone drop lets/, [`--add-rich-rule=${rule} accept`]],
      [
        'has a rule for an own address',
        portB,
        /: zone drop lets/,
        [`--add-rich-rule=${rule.replace(' port', ` destination address="${ADDRESSES.IPv4.server}" port`)} accept`],
      ],
      [
        'has a rule for all but a network',
        portB,
        /: zone drop lets/,
        [`--add-rich-rule=${rule.replace(' port', ' source NOT address="10.0.0.0/8" port')} accept`],
      ],
      ['has everyone as its source', portB, /: zone trusted lets/, ['--zone=trusted', '--add-source=0.0.0.0/0']],
      [
        'has a sender as its source',
        portB,
        /not clear whether zone trusted/,
        ['--zone=trusted', '--add-source=00:11:22:33:44:55'],
      ],
    ] as const) {
      test(`when a zone ${what} then preparing is refused with a hint`, async () => {
        for (const command of commands) cmd(...(command[0].startsWith('--zone') ? [] : ['--zone=drop']), ...command);
        await assert.rejects(
          prepared(on),
          (error: Error & { hint?: string }) => says.test(error.message) && error.hint !== undefined,
        );
      });
    }

    for (const [what, ...commands] of [
      ['is for a network', ['--zone=trusted', '--add-source=192.0.2.0/24']],
      [
        'has a rule for a network',
        [`--add-rich-rule=${rule.replace(' port', ' source address="192.0.2.0/24" port')} accept`],
      ],
      [
        'drops it first',
        [`--add-rich-rule=${rule.replace('rule', 'rule priority="-9"').replace(' family="ipv4"', '')} drop`],
        [`--add-rich-rule=${rule} accept`],
        [`--add-port=${portB}/tcp`],
      ],
    ] as const) {
      test(`when a zone ${what} then strangers stay out and preparing succeeds`, async () => {
        for (const command of commands) cmd(...(command[0].startsWith('--zone') ? [] : ['--zone=drop']), ...command);
        await theWorld().assertDropped(ADDRESSES.IPv4.stranger, portB);
        await prepared(portB);
      });
    }

    test('when a policy lets everyone to the port then preparing is refused', async () => {
      const policy = (...args: string[]) => cmd('--permanent', ...args);
      policy('--new-policy=hop');
      policy('--policy=hop', '--add-ingress-zone=ANY');
      policy('--policy=hop', '--add-egress-zone=HOST');
      policy('--policy=hop', `--add-port=${portB}/tcp`);
      try {
        cmd('--reload');
        await assert.rejects(prepared(portB), /policy hop lets everyone to tcp.2202/);
      } finally {
        policy('--delete-policy=hop');
      }
    });

    const saved = () => cmd('--permanent', '--zone=drop', '--list-rich-rules');

    test('when firewalld is reloaded then the next look notices it, and the grant is back within seconds', async () => {
      await firewall.open(door, keyOf(client), HOUR);
      assert.equal(await firewall.guardStands(), true);
      cmd('--reload');
      const began = performance.now();
      assert.equal(await firewall.guardStands(), false);
      await firewall.prepare([door], [{ door: 'a', source: keyOf(client), remainingMs: HOUR }]);
      assert(performance.now() - began < 8000, `${performance.now() - began} ms`);
      await theWorld().assertOpen(client, port);
      assert.equal(await firewall.guardStands(), true);
    });

    test('when a grant is saved then it is taken out of what is saved, and ends as it should', async () => {
      await firewall.open(door, keyOf(client), HOUR);
      assert.equal(await firewall.guardStands(), true);
      cmd('--runtime-to-permanent');
      assert.match(saved(), /priority="-7077"/);
      assert.equal(await firewall.guardStands(), false);
      await firewall.prepare([door], [{ door: 'a', source: keyOf(client), remainingMs: HOUR }]);
      assert.equal(saved(), '');
      await theWorld().assertOpen(client, port);
      await firewall.close(door, keyOf(client));
      cmd('--reload');
      await theWorld().assertDropped(client, port);
    });

    test('when a reload loads a saved grant that is over then it is shut again', async () => {
      await firewall.open(door, keyOf(client), HOUR);
      cmd('--runtime-to-permanent');
      await firewall.close(door, keyOf(client));
      cmd('--reload');
      await theWorld().assertOpen(client, port);
      assert.equal(await firewall.guardStands(), false);
      await firewall.prepare([door], []);
      await theWorld().assertDropped(client, port);
      assert.equal(saved(), '');
    });

    test('when everything of ours is removed then no saved rule is left, also while firewalld is down', async () => {
      const his = 'rule priority="-7" family="ipv4" source address="192.0.2.7" accept';
      cmd('--zone=drop', `--add-rich-rule=${his}`);
      await firewall.open(door, keyOf(client), HOUR);
      cmd('--runtime-to-permanent');
      const down = children.pop();
      assert(down !== undefined);
      const ended = once(down, 'exit');
      down.kill('SIGTERM');
      await ended;
      const purge = new RuleFirewall(new FirewalldTable());
      await assert.rejects(purge.prepare([], []), /firewall-cmd/);
      await startFirewalld();
      assert.equal(saved(), his);
      assert.deepEqual(richRules(), [his]);
      cmd('--permanent', '--zone=drop', `--remove-rich-rule=${his}`);
    });
  });
}
