/**
 * TCP Wrappers with real services that Debian's tcpd starts, with its own /etc: the contract, where a dropped
 * connection is one that is closed without data. Run by firewall-wrappers.test.ts.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { ActionDoor } from '../../../server/firewall/firewall.ts';
import { RuleFirewall } from '../../../server/firewall/rules/rule-firewall.ts';
import { HostsAllowTable } from '../../../server/firewall/wrappers/hosts-allow.ts';
import { supportProgram } from '../../support/host/built.ts';
import { ADDRESSES, FirewallWorld, PORTS } from '../../support/host/firewall-world.ts';
import { privateEtc } from '../../support/host/private-etc.ts';
import { type DoorWorld, firewallContract, HOUR, keyOf } from './firewall.ts';

const CHILD = supportProgram('faults/rule-child');
const TCPD = '/usr/sbin/tcpd';
const ALLOW = '/etc/hosts.allow';
const [port, portB] = PORTS;
const [client, other] = ADDRESSES.IPv4.clients;
/** Offset of the wrapped services' ports: the plain echo services use the ports themselves. */
const WRAPPED = 1000;

/** The two ends of FirewallWorld, with services that tcpd guards. */
class WrappedWorld implements DoorWorld {
  readonly #world: FirewallWorld;
  readonly #servers: readonly Server[];
  readonly #directory: string;

  private constructor(world: FirewallWorld, servers: readonly Server[], directory: string) {
    this.#world = world;
    this.#servers = servers;
    this.#directory = directory;
  }

  static async make(): Promise<WrappedWorld> {
    const world = await FirewallWorld.make();
    const directory = mkdtempSync(join(tmpdir(), 'knock-otp-tcpd-'));
    const servers = await Promise.all(
      PORTS.map(async (on) => {
        // tcpd looks up the name that it is started with, and then executes that program: an echo.
        const program = join(directory, `door-${on}`);
        symlinkSync('/bin/cat', program);
        const server = createServer({ pauseOnConnect: true }, (socket) => {
          spawn(TCPD, [], { argv0: program, stdio: [socket, socket, 'ignore'] });
          socket.destroy();
        });
        server.listen(on + WRAPPED, '::');
        await once(server, 'listening');
        return server;
      }),
    );
    return new WrappedWorld(world, servers, directory);
  }

  async connect(from: string, on: number): Promise<number> {
    const connection = await this.#world.connect(from, on + WRAPPED);
    await this.#world.assertAlive(connection);
    return connection;
  }

  assertAlive(connection: number): Promise<void> {
    return this.#world.assertAlive(connection);
  }

  async assertOpen(from: string, on: number): Promise<void> {
    await this.connect(from, on);
  }

  /** libwrap keeps a refused connection open for 5 s without data (clean_exit). Only one test waits for its end. */
  async assertDropped(from: string, on: number, patienceMs = 400): Promise<string> {
    const connection = await this.#world.connect(from, on + WRAPPED);
    const heard = await this.#world.hear(connection, patienceMs);
    assert.notEqual(heard, 'data', `${from} at service ${on}`);
    return heard;
  }

  async end(): Promise<void> {
    for (const server of this.#servers) server.close();
    await this.#world.end();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

let world: WrappedWorld | undefined;
let putBack: (() => void) | undefined;
const theWorld = () => world ?? assert.fail('the world is not made yet');
const door: ActionDoor = { name: 'a', action: { kind: 'hosts.allow', service: `door-${port}` } };

function reset(): void {
  for (const leftover of ['/etc/.hosts.allow.knock-otp', `${ALLOW}.bak`]) rmSync(leftover, { force: true });
  writeFileSync(ALLOW, '# hosts.allow\n');
  writeFileSync('/etc/hosts.deny', `door-${port}: ALL\ndoor-${portB}: ALL\n`);
}

if (!existsSync(TCPD)) {
  test('TCP Wrappers', (t) => t.skip('tcpd is not installed'));
} else {
  before(async () => {
    world = await WrappedWorld.make();
    putBack = privateEtc();
  });
  after(async () => {
    putBack?.();
    await world?.end();
  });

  firewallContract('TCP Wrappers', theWorld, {
    make: async () => new RuleFirewall(new HostsAllowTable()),
    action: (on) => ({ kind: 'hosts.allow', service: `door-${on}` }),
    reset,
  });

  describe('TCP Wrappers', () => {
    let firewall: RuleFirewall;
    beforeEach(async () => {
      reset();
      firewall = new RuleFirewall(new HostsAllowTable());
      await firewall.prepare([door], []);
    });

    test('when a stranger comes then the service sends him away without a word', async () => {
      assert.equal(await theWorld().assertDropped(other, port, 15_000), 'ended');
    });

    test('when the daemon is killed then the next start takes its line away, or over', async () => {
      for (const source of [client, other]) {
        const child = spawnSync(process.execPath, [CHILD, 'hosts.allow', `${port}`, source, `${HOUR}`], {
          encoding: 'utf8',
        });
        assert.equal(child.signal, 'SIGKILL', child.stderr);
        await theWorld().assertOpen(source, port);
      }
      assert.equal(readFileSync(ALLOW, 'utf8'), `# hosts.allow\ndoor-${port}: ${other}\n`);
      const next = new RuleFirewall(new HostsAllowTable());
      await next.prepare([door], [{ door: 'a', source: keyOf(other), remainingMs: HOUR }]);
      await theWorld().assertOpen(other, port);
      await next.close(door, keyOf(other));
      await theWorld().assertDropped(other, port);
      assert.equal(readFileSync(ALLOW, 'utf8'), '# hosts.allow\n');
    });

    for (const [what, says, allow, deny] of [
      ['nobody is refused', /refuses no one/, '', '# nothing\n'],
      ['others are refused', /refuses no one/, '', 'vsftpd: ALL\n'],
      ['everyone is allowed', /everyone is allowed/, `ALL: ALL\n`, 'ALL: ALL\n'],
      ['hosts.allow refuses', /before the lines/, `door-${port}: ALL: DENY\n`, 'ALL: ALL\n'],
    ] as const) {
      test(`when ${what} then preparing is refused with a hint, and a guard that stood does not`, async () => {
        writeFileSync(ALLOW, allow);
        writeFileSync('/etc/hosts.deny', deny);
        assert.equal(await firewall.guardStands(), false);
        await assert.rejects(
          new RuleFirewall(new HostsAllowTable()).prepare([door], []),
          (error: Error & { hint?: string }) => says.test(error.message) && error.hint !== undefined,
        );
      });
    }
  });
}
