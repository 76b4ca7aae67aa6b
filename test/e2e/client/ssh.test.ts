/** ssh through a hidden port, with OpenSSH on both ends and `ProxyCommand knock-otp --proxy`. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import { startSshServer } from '../../../scripts/lab/ssh-server.ts';
import { Bastion } from '../../support/host/bastion.ts';

const options = { skip: skipWithoutNamespaces(), timeout: 120_000 };

for (const family of [4, 6] as const) {
  test(
    `over IPv${family}, an ssh session through the proxy command outlives the door that it came through`,
    options,
    async () => {
      await using bastion = await Bastion.create({
        doors: '[ssh]\notp = totp\nopen = nftables tcp/22\ncmd_timeout = 2\n',
        service: false,
      });
      const { client, server, dir } = bastion;
      const sshd = await startSshServer(server, dir);
      try {
        const host = family === 4 ? server.ipv4 : server.ipv6;
        const laptop = await bastion.enroll('laptop', { host });
        await bastion.start();
        assert.equal(await bastion.probe({ family }), 'silent');
        const added = await bastion.knockOtp(['add', '-'], { input: `${laptop.uri}\n` });
        assert.equal(added.code, 0, added.stderr);
        const release = join(dir, 'release');
        const session = client.spawn(
          [
            ...sshd.command,
            '-o',
            `ProxyCommand=${bastion.clientCommand.join(' ')} --proxy %h %p`,
            `${sshd.user}@${host}`,
            `echo inside; until [ -e ${release} ]; do sleep 0.1; done; echo still inside`,
          ],
          { env: await bastion.clientHome(client), timeoutMs: 60_000 },
        );
        await session.waitForLine(/^inside$/);
        await bastion.daemon.waitForLine(/otpd: closed .*door=ssh/);
        assert.equal(await bastion.probe({ family }), 'silent');
        await writeFile(release, '');
        const { code, stdout, stderr } = await session.finished();
        assert.match(stdout, /^still inside$/m);
        assert.equal(code, 0, stderr);
      } finally {
        await sshd.process.end('SIGKILL');
      }
    },
  );
}
