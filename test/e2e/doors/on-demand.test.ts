/** A real sshd that a knock starts and the daemon stops when idle, also when either is killed in between. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import { prepareSshServer } from '../../../scripts/lab/ssh-server.ts';
import { Bastion, type EnrolledClient } from '../../support/host/bastion.ts';

const options = { skip: skipWithoutNamespaces(), timeout: 150_000 };
const IDLE_SECONDS = 3;

interface Shown {
  readonly services: readonly { readonly door: string; readonly state: string; readonly connections?: number }[];
}

class Demand {
  readonly bastion: Bastion;
  readonly laptop: EnrolledClient;
  readonly ssh: readonly string[];

  private constructor(bastion: Bastion, laptop: EnrolledClient, ssh: readonly string[]) {
    this.bastion = bastion;
    this.laptop = laptop;
    this.ssh = ssh;
  }

  static async create(bastion: Bastion): Promise<Demand> {
    const { dir, server } = bastion;
    const { argv, command, user } = await prepareSshServer(dir);
    const quoted = argv.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
    const script = join(dir, 'sshd.sh');
    await writeFile(join(dir, 'calls'), '');
    await writeFile(
      script,
      `#!/bin/sh
echo "$1" >> ${dir}/calls
case $1 in
  start)
    setsid ${quoted} > ${dir}/sshd.log 2>&1 &
    echo $! > ${dir}/sshd.pid
    until grep -q ':0016 0*:0000 0A' /proc/net/tcp; do sleep 0.1; done ;;
  stop) kill "$(cat ${dir}/sshd.pid)" ;;
esac
`,
      { mode: 0o700 },
    );
    await bastion.configure({
      doors: `[ssh]
otp = hotp
open = nftables tcp/22
start_command = ${script} start
stop_command = ${script} stop
stop_when = idle ${IDLE_SECONDS}s
cmd_timeout = 1
`,
    });
    const laptop = await bastion.enroll('laptop');
    const added = await bastion.knockOtp(['add', '-', '--as', 'server'], { input: `${laptop.uri}\n` });
    assert.equal(added.code, 0, added.stderr);
    const proxy = `ProxyCommand=${bastion.clientCommand.join(' ')} --proxy %h %p`;
    return new Demand(bastion, laptop, [...command, '-o', proxy, `${user}@${server.ipv4}`]);
  }

  /** With the privileges that sshd needs in its namespaces. */
  async start(): Promise<void> {
    await this.bastion.start([], 'all');
  }

  async calls(): Promise<readonly string[]> {
    return (await readFile(join(this.bastion.dir, 'calls'), 'utf8')).split('\n').filter(Boolean);
  }

  async service(): Promise<Shown['services'][number] | undefined> {
    const { stdout } = await this.bastion.control('status', '--json');
    return (JSON.parse(stdout) as Shown).services.find(({ door }) => door === 'ssh');
  }

  /** Kills an sshd that a failed test has left. */
  async sweep(): Promise<void> {
    const pid = await readFile(join(this.bastion.dir, 'sshd.pid'), 'utf8').catch(() => '');
    try {
      if (pid !== '') process.kill(Number(pid), 'SIGKILL');
    } catch {
      // Stopped, as expected.
    }
  }
}

test(
  'sshd runs from a knock until it is idle, never without the session that is there, and is stopped once',
  options,
  async () => {
    await using bastion = await Bastion.create({ service: false });
    const demand = await Demand.create(bastion);
    try {
      await demand.start();
      assert.equal(await bastion.probe(), 'silent');
      assert.deepEqual(await demand.calls(), []);
      assert.equal((await demand.service())?.state, 'stopped');
      const release = join(bastion.dir, 'release');
      const session = bastion.client.spawn(
        [...demand.ssh, `echo inside; until [ -e ${release} ]; do sleep 0.1; done; echo still inside`],
        { env: await bastion.clientHome(bastion.client), timeoutMs: 100_000 },
      );
      await session.waitForLine(/^inside$/);
      assert.deepEqual(await demand.calls(), ['start']);
      // The grant ends, but the service still runs. A host that has not knocked cannot reach it.
      await bastion.daemon.waitForLine(/otpd: closed .*door=ssh/);
      assert.equal(await bastion.probe({ from: bastion.other }), 'silent');
      await bastion.stop('SIGKILL');
      await demand.start();
      await bastion.daemon.waitForLine(/service from before.*door=ssh/);
      const until = Date.now() + (IDLE_SECONDS + 3) * 1000;
      while (Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 500));
      const shown = await demand.service();
      assert.deepEqual([shown?.state, shown?.connections], ['running', 1]);
      assert.deepEqual(await demand.calls(), ['start']);
      await writeFile(release, '');
      const { code, stdout, stderr } = await session.finished();
      assert.equal(code, 0, stderr);
      assert.match(stdout, /^still inside$/m);
      await bastion.daemon.waitForLine(/service stopped.*door=ssh/);
      assert.deepEqual(await demand.calls(), ['start', 'stop']);
      assert.equal((await demand.service())?.state, 'stopped');
      // Again, but the daemon is killed while the service is idle: the next daemon stops it once.
      await bastion.send(demand.laptop.sequence(8));
      await bastion.daemon.waitForLine(/service started.*door=ssh/);
      await bastion.daemon.waitForLine(/otpd: opened .*door=ssh/);
      await bastion.stop('SIGKILL');
      await demand.start();
      await bastion.daemon.waitForLine(/service stopped.*door=ssh/);
      assert.deepEqual(await demand.calls(), ['start', 'stop', 'start', 'stop']);
    } finally {
      await demand.sweep();
    }
  },
);

test('when the service cannot be started then its door stays shut and the log says why', options, async () => {
  await using bastion = await Bastion.create({
    doors:
      '[ssh]\notp = hotp\nopen = nftables tcp/22\nstart_command = false\nstop_command = true\nstop_when = idle 5s\n',
    service: false,
  });
  const laptop = await bastion.enroll('laptop');
  await bastion.start();
  await bastion.send(laptop.sequence(0));
  await bastion.daemon.waitForLine(/not opened: its service does not run.*status 1/);
  assert.equal(await bastion.probe(), 'silent');
  assert.doesNotMatch(bastion.daemon.stderr, /otpd: opened .*door=ssh/);
});
