/**
 * The client's explanation of a failed knock, with real packets: a wrong clock and a time server, a path that blocks high
 * ports, a name of another host, a counter far ahead, and a name server that never answers.
 */
import assert from 'node:assert/strict';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import type { Finished } from '../../../scripts/lab/running-process.ts';
import { Bastion } from '../../support/host/bastion.ts';
import { hasPatience } from '../../support/host/inside-namespaces.ts';

const options = { skip: skipWithoutNamespaces(), timeout: 120_000 };
const slowly = { ...options, skip: options.skip || (hasPatience() ? false : 'slow: npm test -- --long') };
const timeServer = fileURLToPath(new URL('../../support/client/time-server.ts', import.meta.url));
const shiftedClock = fileURLToPath(new URL('../../support/faults/shifted-clock.mjs', import.meta.url));
const CLOSED = ['--timeout', '2'];

/** Runs knock-otp with its own /etc, which contains only these files. */
async function withEtc(
  bastion: Bastion,
  files: Readonly<Record<string, string>>,
  args: readonly string[],
  node: { readonly flags?: readonly string[]; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<Finished> {
  const etc = join(bastion.dir, 'etc');
  await mkdir(join(etc, 'chrony'), { recursive: true });
  await writeFile(join(etc, 'nsswitch.conf'), 'hosts: files dns\n');
  for (const [name, text] of Object.entries(files)) await writeFile(join(etc, name), text);
  const [program = '', ...words] = bastion.clientCommand;
  const inside = 'mount --bind "$0" /etc && exec "$@"';
  return await bastion.client.run(
    ['unshare', '--mount', 'sh', '-c', inside, etc, program, ...(node.flags ?? []), ...words, ...args],
    { env: { ...(await bastion.clientHome(bastion.client)), ...node.env }, timeoutMs: 60_000 },
  );
}

async function added(bastion: Bastion, uri: string, ...more: readonly string[]): Promise<void> {
  const { code, stderr } = await bastion.knockOtp(['add', '-', '--as', 'work', ...more], { input: `${uri}\n` });
  assert.equal(code, 0, stderr);
}

test('a clock that is two minutes behind is told from the time server of this host', options, async () => {
  await using bastion = await Bastion.create();
  await added(bastion, (await bastion.enroll('laptop')).uri);
  await bastion.start();
  const server = bastion.other.spawn([process.execPath, '--import', 'tsx', timeServer]);
  try {
    await server.waitForLine(/telling/);
    const clock = join(bastion.dir, 'client-clock');
    await writeFile(clock, '-120000');
    const { code, stderr } = await withEtc(
      bastion,
      { 'chrony/chrony.conf': `server ${bastion.other.ipv4} iburst\n` },
      ['work', ...CLOSED],
      { flags: ['--import', shiftedClock], env: { KNOCK_OTP_TEST_CLOCK: clock } },
    );
    assert.equal(code, 1);
    assert.match(stderr, /clock: 1(19\.9|20\.\d) s behind 10\.77\.0\.\d/);
    assert.match(stderr, /hint: the door accepts 30 s either way: set the clock/);
  } finally {
    await server.end('SIGKILL');
  }
});

test('a router that bars high ports is told from its answers', options, async () => {
  await using bastion = await Bastion.create();
  const { client, other, server } = bastion;
  await added(bastion, (await bastion.enroll('laptop')).uri);
  await bastion.start();
  await client.ip(`route add ${server.ipv4}/32 via ${other.ipv4}`);
  // Without redirects: otherwise the router would tell the client the direct route through the same interface.
  const settings = 'echo 1 > ip_forward; for each in conf/*/send_redirects; do echo 0 > "$each"; done';
  await other.must(['sh', '-c', `cd /proc/sys/net/ipv4; ${settings}`]);
  const rule = 'tcp dport 1024-65535 reject with icmp type admin-prohibited';
  await other.must(['nft', '-f', '-'], {
    input: `table ip path { chain out { type filter hook forward priority 0; ${rule}; }; }\n`,
  });
  // Longer, because a router answers few packets a second, and the knock's packets use up its answers.
  const { code, stderr } = await bastion.knockOtp(['work', '--timeout', '6']);
  assert.equal(code, 1);
  assert.match(stderr, /ports: [1-4] of 4 high ports: a router or firewall on the path reports it unreachable/);
  assert.match(stderr, /hint: this network blocks them: try another network, or ask its administrator/);
});

test('a name that means another host than at the last knock that worked is told', slowly, async () => {
  await using bastion = await Bastion.create();
  await added(bastion, (await bastion.enroll('laptop')).uri, '--host', 'bastion.test');
  await bastion.start();
  const first = await withEtc(bastion, { hosts: `${bastion.server.ipv4} bastion.test\n` }, ['work']);
  assert.equal(first.code, 0, first.stderr);
  const { code, stderr } = await withEtc(bastion, { hosts: `${bastion.other.ipv4} bastion.test\n` }, [
    'work',
    '--timeout',
    '40',
  ]);
  assert.equal(code, 1);
  const { ipv4: now } = bastion.other;
  assert(stderr.includes(`name: bastion.test is ${now} now, and was ${bastion.server.ipv4} at the last knock`), stderr);
});

test('a counter that is too far ahead is told, and how far', options, async () => {
  await using bastion = await Bastion.create({ doors: '[ssh]\notp = hotp\nopen = nftables tcp/22\ncmd_timeout = 1\n' });
  await added(bastion, (await bastion.enroll('laptop')).uri);
  await bastion.start();
  const first = await bastion.knockOtp(['work']);
  assert.equal(first.code, 0, first.stderr);
  await bastion.daemon.waitForLine(/otpd: closed .*door=ssh/);
  const spent = join((await bastion.clientHome(bastion.client))['XDG_CONFIG_HOME'] ?? '', 'knock-otp/spent');
  const [folder = ''] = await readdir(spent);
  await writeFile(join(spent, folder, '30'), '');
  const { code, stderr } = await bastion.knockOtp(['work', ...CLOSED]);
  assert.equal(code, 1);
  assert.match(stderr, /counters: 31 counters, 1 to 31, were used since the last knock that worked/);
  assert.match(stderr, /hint: the server rejects the next counter: enroll this client again/);
});

test('a name server that never answers holds nobody up', options, async () => {
  await using bastion = await Bastion.create();
  await added(bastion, (await bastion.enroll('laptop')).uri);
  await bastion.start();
  const files = {
    'chrony/chrony.conf': 'pool time.example.org iburst\n',
    // No host has this address, so the resolver tries for ten seconds.
    'resolv.conf': 'nameserver 192.0.2.53\n',
  };
  await bastion.client.ip(`route add 192.0.2.53/32 via ${bastion.other.ipv4}`);
  // Drops the query: without this rule the other host would answer that it does not forward.
  await bastion.other.must(['nft', '-f', '-'], {
    input: 'table ip quiet { chain in { type filter hook prerouting priority -300; ip daddr 192.0.2.53 drop; }; }\n',
  });
  await bastion.stop();
  const startedMs = performance.now();
  const { code, stderr } = await withEtc(bastion, files, ['work', ...CLOSED]);
  const elapsedMs = performance.now() - startedMs;
  assert.equal(code, 1);
  assert.match(stderr, /did not open/);
  assert(elapsedMs < 7_000, `it took ${elapsedMs} ms`);
});
