/**
 * Clients: common tools open the doors of knock-otpd and of knockd alike, and knock-otp opens the doors of both. Each client
 * sends real packets to each server's own address.
 */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { BesideKnockd, type Side, skipWithoutPrograms } from '../support/host/beside-knockd.ts';
import { CLIENT_PROGRAM } from '../support/host/built.ts';
import { door } from './packet-scripts.ts';

const options = { skip: skipWithoutPrograms('tcpreplay', 'knock', 'nc.openbsd', 'nmap', 'hping3'), timeout: 120_000 };
const DOORS =
  door('tcp', '7000,8000,7500', { timeout: 10 }) +
  door('udp', '7100:udp,8100:udp,7600:udp', { timeout: 10, flags: undefined }) +
  door('mix', '7200,8200:udp,7700', { timeout: 10 });
const TCP = [7000, 8000, 7500];
const UDP = [7100, 8100, 7600];

interface Way {
  readonly opens: string;
  readonly family?: 6;
  /** Commands, run one after another. */
  readonly commands: (address: string) => readonly (readonly string[])[];
}

const each = (ports: readonly number[], command: (port: string) => readonly string[]): readonly (readonly string[])[] =>
  ports.map((port) => command(`${port}`));

const WAYS: Readonly<Record<string, Way>> = {
  knock: { opens: 'tcp', commands: (host) => [['knock', '-d', '20', host, '7000', '8000', '7500']] },
  'knock with UDP ports': {
    opens: 'mix',
    commands: (host) => [['knock', '-d', '20', host, '7200:tcp', '8200:udp', '7700']],
  },
  'knock -u': { opens: 'udp', commands: (host) => [['knock', '-u', '-d', '20', host, '7100', '8100', '7600']] },
  'knock -6': {
    opens: 'tcp',
    family: 6,
    commands: (host) => [['knock', '-6', '-d', '20', host, '7000', '8000', '7500']],
  },
  nc: { opens: 'tcp', commands: (host) => each(TCP, (port) => ['nc.openbsd', '-z', '-w1', host, port]) },
  'nc -u': {
    opens: 'udp',
    commands: (host) => each(UDP, (port) => ['sh', '-c', 'echo | nc.openbsd -u -q0 -w1 "$0" "$1"', host, port]),
  },
  nmap: {
    opens: 'tcp',
    commands: (host) => each(TCP, (port) => ['nmap', '-n', '-Pn', '--max-retries', '0', '-p', port, host]),
  },
  hping3: {
    opens: 'tcp',
    commands: (host) => each(TCP, (port) => ['hping3', '-q', '-S', '-c', '1', '-p', port, host]),
  },
  'hping3 by UDP': {
    opens: 'udp',
    commands: (host) => each(UDP, (port) => ['hping3', '-q', '-2', '-c', '1', '-p', port, host]),
  },
  'knock-otp': { opens: 'tcp', commands: (host) => [ours(host, '7000', '8000', '7500', '--no-verify')] },
  'knock-otp with UDP ports': {
    opens: 'mix',
    commands: (host) => [ours(host, '7200:tcp', '8200:udp', '7700', '--no-verify')],
  },
  'knock-otp -u': { opens: 'udp', commands: (host) => [ours('-u', host, '7100', '8100', '7600', '--no-verify')] },
  'knock-otp over IPv6': {
    opens: 'tcp',
    family: 6,
    commands: (host) => [ours('-6', host, '7000', '8000', '7500', '--no-verify')],
  },
};

function ours(...args: string[]): readonly string[] {
  return [process.execPath, CLIENT_PROGRAM, ...args];
}

async function opened(side: Side, from: number): Promise<readonly string[]> {
  return (await side.said()).slice(from);
}

test('clients of every kind', options, async (t) => {
  await using both = await BesideKnockd.create();
  await both.configure(DOORS);
  const { client } = both;
  const environment = { HOME: both.dir, XDG_CONFIG_HOME: both.dir, XDG_STATE_HOME: both.dir };
  await both.ours.start(both.config);
  for (const [name, way] of Object.entries(WAYS)) {
    await t.test(`${name} opens our door, and knockd's`, async () => {
      await both.knockd.stop();
      await both.knockd.start(both.config);
      const source = way.family === 6 ? client.ipv6 : client.ipv4;
      for (const side of both.sides) {
        const before = (await side.said()).length;
        for (const command of way.commands(way.family === 6 ? side.host.ipv6 : side.host.ipv4)) {
          await client.run(command, { env: environment });
        }
        await side.sees(async () => (await opened(side, before)).length > 0);
        assert.deepEqual(await opened(side, before), [`${way.opens} ${source}`], `at ${side.name}`);
      }
      assert.deepEqual(await both.barrier(), []);
    });
  }
});

test(
  'when knock-otp uses its one-time file at knockd, or at ours, then both copies are struck line for line',
  options,
  async () => {
    await using both = await BesideKnockd.create();
    const lines = [' 7000,8000,7500', '# a comment', ' 7100,8100,7600', '', ' 7200,8200:udp,7700', ' 7300,8300,7800'];
    await both.configure(
      '[ssh]\nOne_Time_Sequences = /var/lib/lines\nSeq_Timeout = 10\nTCPFlags = syn\nStart_Command = /var/lib/say ssh %IP%\n',
    );
    await both.put('lines', `${lines.join('\n')}\n`);
    const { client } = both;
    for (const side of both.sides) {
      await side.start(both.config);
      const own = join(both.dir, `client-${side.name}`);
      await writeFile(own, `${lines.join('\n')}\n`, { mode: 0o600 });
      for (const used of [0, 2, 4]) {
        const { code, stderr } = await client.run(ours(side.host.ipv4, '--one-time', own, '--no-verify'), {
          env: { HOME: both.dir, XDG_CONFIG_HOME: both.dir, XDG_STATE_HOME: both.dir },
        });
        assert.equal(code, 0, stderr);
        const uses = used / 2 + 1;
        await side.until(`opening ${uses}`, async () => (await side.said()).length === uses);
        const expected = lines.map((line, at) => (at <= used && line.startsWith(' 7') ? `#${line.slice(1)}` : line));
        const theirs = async (): Promise<string> => await readFile(join(side.dir, 'lines'), 'utf8');
        await side.until('strike', async () => (await theirs()) === `${expected.join('\n')}\n`);
        assert.equal(await readFile(own, 'utf8'), await theirs());
      }
    }
  },
);

test(
  'when the host has no address then knock ends with 0, as if it had knocked, and knock-otp says that it has not',
  options,
  async () => {
    await using both = await BesideKnockd.create();
    const nowhere = '192.0.2.1';
    const theirs = await both.client.run(['knock', nowhere, '7000']);
    const own = await both.client.run(ours(nowhere, '7000', '--no-verify'), { env: { HOME: both.dir } });
    assert.equal(theirs.code, 0);
    assert.equal(own.code, 1, own.stderr);
  },
);
