/**
 * The client without a profile: `knock-otp HOST PORT...` works like knock(1), and `--one-time` uses a list line by line, in
 * step with the server, knock-otpd or Debian's knockd.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import { Bastion } from '../../support/host/bastion.ts';

const options = { skip: skipWithoutNamespaces(), timeout: 120_000 };
const hasKnockd = spawnSync('sh', ['-c', 'PATH=$PATH:/usr/sbin; command -v knockd']).status === 0;
const optionsWithKnockd = {
  ...options,
  skip: hasKnockd || process.env['CI'] === 'true' ? options.skip : 'knockd is not installed',
};

const LIST = [' 7001,8001:udp,9001', ' 7002,8002:udp,9002', ' 7003,8003:udp,9003', ' 7004,8004:udp,9004'];

function struckLines(text: string): string[] {
  return text.split('\n').filter((line) => line.startsWith('#'));
}

/** One copy of the list for each side. */
async function writeLists(bastion: Bastion): Promise<{ served: string; mine: string }> {
  const [served, mine] = [join(bastion.dir, 'server.sequences'), join(bastion.dir, 'client.sequences')];
  for (const path of [served, mine]) await writeFile(path, `${LIST.join('\n')}\n`, { mode: 0o600 });
  return { served, mine };
}

for (const family of [4, 6] as const) {
  test(
    `over IPv${family}, ports on the command line open a strict door, in their order and in no other`,
    options,
    async () => {
      await using bastion = await Bastion.create({
        doors: '[ssh]\nsequence = 7000,8000:udp,7000,9000\ntcpflags = syn\nopen = nftables tcp/22\ncmd_timeout = 30\n',
      });
      await bastion.start();
      const host = family === 4 ? bastion.server.ipv4 : bastion.server.ipv6;
      const wrong = await bastion.knockOtp([host, '7000', '7000', '8000:udp', '9000']);
      assert.equal(wrong.code, 0, wrong.stderr);
      await bastion.barrier();
      assert.equal(await bastion.probe({ family }), 'silent');
      // Without a pause, only the sockets keep the order of the knocks.
      const right = await bastion.knockOtp(['-d', '0', '--verify', '22', host, '7000', '8000:udp', '7000', '9000']);
      assert.equal(right.code, 0, right.stderr);
      assert.equal(right.stdout, `open: ${host} (${host}), tcp/22\n`);
      assert.equal(await bastion.probe({ family }), 'open');
    },
  );
}

test('a list is used line for line with the server, and each line opens', options, async () => {
  await using bastion = await Bastion.create();
  const { served, mine } = await writeLists(bastion);
  await bastion.configure({
    doors: `[ssh]\none_time_sequences = ${served}\ntcpflags = syn\nopen = nftables tcp/22\ncmd_timeout = 1\n`,
  });
  await bastion.start();
  for (const used of [1, 2, 3]) {
    assert.equal(await bastion.probe(), 'silent', `before line ${used}`);
    const mark = bastion.daemon.mark;
    const verify = used === 2 ? [] : ['--verify', '22'];
    const ran = await bastion.knockOtp([bastion.server.ipv4, '--one-time', mine, ...verify]);
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(ran.stderr, new RegExp(`warning: ${LIST.length - used} sequence`));
    await bastion.daemon.waitForLine(/ssh: OPEN SESAME/, mark);
    const files = await Promise.all([served, mine].map((path) => readFile(path, 'utf8')));
    assert.equal(files[0], files[1]);
    assert.equal(struckLines(files[1] ?? '').length, used);
    await bastion.daemon.waitForLine(/ssh: command timeout/, mark);
  }
  const proxied = await bastion.knockOtp(['--proxy', bastion.server.ipv4, '22', '--one-time', mine], { input: '' });
  assert.equal(proxied.code, 0, proxied.stderr);
  assert.equal(proxied.stdout, 'hello\n');
  const exhausted = await bastion.knockOtp([bastion.server.ipv4, '--one-time', mine]);
  assert.equal(exhausted.code, 1);
  assert.match(exhausted.stderr, /no unspent sequence left/);
});

test('a list is used line for line with Debian knockd', optionsWithKnockd, async () => {
  await using bastion = await Bastion.create();
  const { served, mine } = await writeLists(bastion);
  const conf = join(bastion.dir, 'knockd.conf');
  await writeFile(
    conf,
    `[options]
interface = eth0
logfile = ${join(bastion.dir, 'knockd.log')}
pidfile = ${join(bastion.dir, 'knockd.pid')}
[ssh]
one_time_sequences = ${served}
seq_timeout = 5
tcpflags = syn
command = /bin/true
`,
  );
  const knockd = bastion.server.spawn(['/usr/sbin/knockd', '-c', conf, '-D', '-v']);
  try {
    await knockd.waitForLine(/listening on eth0/);
    for (const used of [1, 2, 3]) {
      const ran = await bastion.knockOtp([bastion.server.ipv4, '--one-time', mine]);
      assert.equal(ran.code, 0, ran.stderr);
      const text = await readFile(mine, 'utf8');
      assert.equal(struckLines(text).length, used);
      // knockd strikes the line some time after it starts the command, without a log line.
      const deadlineMs = performance.now() + 5000;
      while ((await readFile(served, 'utf8')) !== text) {
        assert.ok(performance.now() < deadlineMs && !knockd.ended, knockd.stdout + knockd.stderr);
        await setTimeout(20);
      }
    }
  } finally {
    await knockd.end('SIGKILL');
  }
});

test('when nothing can be sent or the name does not resolve then the exit code is 1', options, async () => {
  await using bastion = await Bastion.create({ service: false });
  const { mine } = await writeLists(bastion);
  const unresolved = await bastion.knockOtp(['nobody.invalid', '7000', '8000']);
  assert.equal(unresolved.code, 1, unresolved.stderr);
  assert.match(unresolved.stderr, /error: cannot resolve "nobody\.invalid"/);
  for (const words of [
    ['7000', '8000:udp'],
    ['--one-time', mine],
  ]) {
    const ran = await bastion.knockOtp(['203.0.113.1', ...words]);
    assert.equal(ran.code, 1, ran.stderr);
    assert.match(ran.stderr, /nothing could be sent to 203\.0\.113\.1 .*ENETUNREACH/);
  }
  assert.deepEqual(struckLines(await readFile(mine, 'utf8')), [], 'a line was struck for nothing');
  // An outgoing firewall that drops some of the packets.
  await bastion.client.must(['nft', '-f', '-'], {
    input: 'table inet out {\n chain output {\n type filter hook output priority 0\n udp dport 8000 reject\n }\n}\n',
  });
  const partly = await bastion.knockOtp([bastion.server.ipv4, '7000', '8000:udp', '9000']);
  assert.equal(partly.code, 1, partly.stderr);
  assert.match(partly.stderr, /1 of 3 knocks could not be sent .*EPERM/);
});
