/** Failing disks, interfaces and daemons: no knock opens twice, and no door stays open. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import { Bastion } from '../../support/host/bastion.ts';

const options = { skip: skipWithoutNamespaces(), timeout: 120_000 };
const OPENED = /otpd: opened .*door=ssh/;

test('when the daemon is killed between spend and open then that knock never opens again', options, async () => {
  await using bastion = await Bastion.create();
  const calls = join(bastion.dir, 'calls');
  const script = join(bastion.dir, 'open.sh');
  // The start command runs after the durable spend: it kills the daemon, its parent, before that knows of the opening.
  await writeFile(script, `#!/bin/sh\necho "$1 $2" >> ${calls}\n[ "$1" = start ] && kill -9 $PPID\nexit 0\n`, {
    mode: 0o700,
  });
  await bastion.configure({
    doors: `[ssh]\notp = hotp\nstart_command = ${script} start %IP%\nstop_command = ${script} stop %IP%\ncmd_timeout = 1\n`,
  });
  const laptop = await bastion.enroll('laptop');
  await bastion.start();
  await bastion.send(laptop.sequence(0));
  assert.equal((await bastion.daemon.finished()).code, -1);
  assert.equal(await readFile(calls, 'utf8'), `start ${bastion.client.ipv4}\n`);
  const restarted = await bastion.start();
  // The new daemon closes the door once, and the spent knock is a replay.
  await restarted.waitForLine(/\bclosed\b.*door=ssh/);
  await bastion.send(laptop.sequence(0));
  await bastion.barrier();
  assert.doesNotMatch(restarted.stderr, OPENED);
  assert.equal(await readFile(calls, 'utf8'), `start ${bastion.client.ipv4}\nstop ${bastion.client.ipv4}\n`);
});

test(
  'when the interface goes down and comes back then the daemon says so once each way and hears again',
  options,
  async () => {
    await using bastion = await Bastion.create({
      doors: '[ssh]\notp = hotp\nopen = nftables tcp/22\ncmd_timeout = 1\n',
    });
    const laptop = await bastion.enroll('laptop');
    const { server, network } = bastion;
    await bastion.start();
    const count = (pattern: RegExp) => bastion.daemon.stderr.match(pattern)?.length ?? 0;
    const LISTENING = /\blistening\b.*interface=eth0/g;
    const DEAF = /\bdeaf\b.*interface=eth0/g;
    let counter = 0;
    const knockWorks = async (when: string) => {
      const mark = bastion.daemon.mark;
      await bastion.send(laptop.sequence(counter));
      counter += 1;
      await bastion.daemon.waitForLine(/otpd: (opened|extended) .*door=ssh/, mark, 5000).catch((cause: unknown) => {
        throw new Error(`no knock opened ${when}`, { cause });
      });
    };
    const away = async (leave: () => Promise<unknown>, comeBack: () => Promise<unknown>, when: string) => {
      const [listening, deaf] = [count(LISTENING), count(DEAF)];
      const mark = bastion.daemon.mark;
      await leave();
      await bastion.daemon.waitForLine(/\bdeaf\b/, mark);
      await comeBack();
      const back = Date.now();
      await bastion.daemon.waitForLine(/\blistening\b/, mark);
      assert.ok(Date.now() - back < 3000, `${when}: heard again after ${Date.now() - back} ms`);
      await knockWorks(when);
      assert.deepEqual([count(LISTENING), count(DEAF)], [listening + 1, deaf + 1], when);
    };
    await knockWorks('at first');
    await away(
      () => server.ip('link set eth0 down'),
      async () => {
        await server.ip('link set eth0 up');
        await server.run(['ip', 'addr', 'add', `${server.ipv6}/64`, 'dev', 'eth0', 'nodad']);
      },
      'after it was down',
    );
    await away(
      () => network.unplug(server),
      () => network.plug(server),
      'after it was deleted',
    );
  },
);

test(
  'when the only interface has no address at start then the daemon hears knocks as soon as it has one',
  options,
  async () => {
    await using bastion = await Bastion.create({ doors: '[ssh]\notp = hotp\nopen = nftables tcp/22\n' });
    const laptop = await bastion.enroll('laptop');
    const { server, network } = bastion;
    await network.unplug(server);
    await network.plug(server, { addresses: false });
    await bastion.start();
    await network.address(server);
    await bastion.daemon.waitForLine(/own addresses changed/, 0, 3000);
    await bastion.send(laptop.sequence(0));
    await bastion.daemon.waitForLine(OPENED);
  },
);

test(
  'when the state cannot be written then nothing opens, the log says why, and the daemon lives on',
  options,
  async () => {
    await using bastion = await Bastion.create({ doors: '[ssh]\notp = hotp\nopen = nftables tcp/22\n' });
    const laptop = await bastion.enroll('laptop');
    await bastion.start();
    // As on a full disk: from now on the kernel refuses every file write of this process.
    await bastion.server.must(['prlimit', `--pid=${bastion.daemon.pid}`, '--fsize=0:0']);
    await bastion.send(laptop.sequence(0));
    await bastion.daemon.waitForLine(/not opened: .*could not be stored.*door=ssh/);
    assert.equal(await bastion.probe(), 'silent');
    assert.equal(bastion.daemon.ended, false);
    assert.doesNotMatch(bastion.daemon.stderr, OPENED);
  },
);
