/** `open_once = yes` with OpenSSH on both ends: one connection per knock, also when the daemon dies in between. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import { startSshServer } from '../../../scripts/lab/ssh-server.ts';
import { Bastion } from '../../support/host/bastion.ts';

const options = { skip: skipWithoutNamespaces(), timeout: 120_000 };

test(
  'where a door opens once then each knock is one connection: ssh in, a second refused, scp after the next knock, the proxy command',
  options,
  async () => {
    await using bastion = await Bastion.create({
      doors: '[ssh]\notp = hotp\nopen = nftables tcp/22\nopen_once = yes\ncmd_timeout = 60\n',
      service: false,
    });
    const { client, server, dir } = bastion;
    const sshd = await startSshServer(server, dir);
    try {
      const laptop = await bastion.enroll('laptop', { host: server.ipv4 });
      assert.equal(laptop.profile.opensOnce, true);
      await bastion.start();
      const added = await bastion.knockOtp(['add', '-'], { input: `${laptop.uri}\n` });
      assert.equal(added.code, 0, added.stderr);
      const env = await bastion.clientHome(client);
      const at = `${sshd.user}@${server.ipv4}`;
      const patience = ['-o', 'ConnectTimeout=2'];

      // The plain command leaves the connection to ssh, and says that it did not check the port.
      const knocked = await bastion.knockOtp([server.ipv4]);
      assert.equal(knocked.code, 0, knocked.stderr);
      assert.match(knocked.stdout, /^sent to .*not verified$/m);
      assert.match(knocked.stderr, /lets in only one connection, which is yours/);
      await bastion.daemon.waitForLine(/otpd: opened .*door=ssh/);
      assert.equal((await openings(bastion)).length, 1);
      const first = await client.run([...sshd.command, ...patience, at, 'echo inside'], { env });
      assert.equal(first.stdout, 'inside\n', first.stderr);
      assert.deepEqual(await openings(bastion), []);
      await bastion.daemon.waitForLine(/otpd: used .*door=ssh/);
      const second = await client.run([...sshd.command, ...patience, at, 'echo inside'], { env });
      assert.notEqual(second.code, 0);
      assert.match(second.stderr, /timed out/);

      // A used grant does not come back after a restart of the daemon.
      const mark = bastion.daemon.mark;
      assert.equal((await bastion.knockOtp([server.ipv4])).code, 0);
      await bastion.daemon.waitForLine(/otpd: opened .*door=ssh/, mark);
      const file = join(dir, 'file');
      await writeFile(file, 'carried\n');
      const [, ...ssh] = sshd.command;
      const scp = await client.run(['scp', '-O', ...ssh, ...patience, `${at}:${file}`, `${file}.copy`], { env });
      assert.equal(scp.code, 0, scp.stderr);
      await bastion.stop('SIGKILL');
      await bastion.start();
      assert.deepEqual(await openings(bastion), []);
      assert.equal(await bastion.probe(), 'silent');

      // ssh gets the connection that finds the door open.
      const proxy = `ProxyCommand=${bastion.clientCommand.join(' ')} --proxy %h %p`;
      const session = await client.run([...sshd.command, '-o', proxy, at, 'echo inside'], { env, timeoutMs: 60_000 });
      assert.equal(session.stdout, 'inside\n', session.stderr);
      assert.equal(await bastion.probe(), 'silent');
    } finally {
      await sshd.process.end('SIGKILL');
    }
  },
);

async function openings(bastion: Bastion): Promise<readonly unknown[]> {
  const { code, stdout, stderr } = await bastion.control('status', '--json');
  assert.equal(code, 0, stderr);
  const { grants } = JSON.parse(stdout) as { readonly grants: readonly unknown[] };
  return grants;
}
