/** The whole way of a user with both built programs: enroll, add, knock, connect. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import { Bastion } from '../../support/host/bastion.ts';

const options = { skip: skipWithoutNamespaces(), timeout: 120_000 };

for (const family of [4, 6] as const) {
  test(`over IPv${family}, knock-otp HOST opens the door and says so by its exit code`, options, async () => {
    await using bastion = await Bastion.create({
      doors: '[ssh]\notp = totp\nopen = nftables tcp/22\ncmd_timeout = 2\n',
    });
    const host = family === 4 ? bastion.server.ipv4 : bastion.server.ipv6;
    const laptop = await bastion.enroll('laptop', { host });
    await bastion.start();
    const added = await bastion.knockOtp(['add', '-', '--as', 'work'], { input: `${laptop.uri}\n` });
    assert.equal(added.code, 0, added.stderr);
    const knocked = await bastion.knockOtp(['work']);
    assert.equal(knocked.code, 0, knocked.stderr);
    assert.equal(await bastion.probe({ family }), 'open');
    assert.equal(await bastion.probe({ from: bastion.other, family }), 'silent');
    await bastion.daemon.waitForLine(/\bclosed\b.*door=ssh/);
    assert.equal(await bastion.probe({ family }), 'silent');
    const secret = laptop.profile.secret.toBase32();
    for (const text of [added.stdout, added.stderr, knocked.stdout, knocked.stderr, bastion.daemon.stderr]) {
      assert.ok(!text.includes(secret), 'a secret was said');
    }
  });
}

test('an established connection lives on when its door closes', options, async () => {
  // Long enough to start a program that connects.
  await using bastion = await Bastion.create({ doors: '[ssh]\notp = hotp\nopen = nftables tcp/22\ncmd_timeout = 4\n' });
  const laptop = await bastion.enroll('laptop');
  await bastion.start();
  await bastion.send(laptop.sequence(0));
  await bastion.daemon.waitForLine(/otpd: opened .*door=ssh/);
  const script = `const s = require('node:net').connect(22, '${bastion.server.ipv4}');
    s.on('data', (d) => process.stdout.write(String(d)));
    process.on('SIGUSR2', () => s.write('still here\\n'));`;
  const session = bastion.client.spawn([process.execPath, '-e', script], { timeoutMs: 30_000 });
  try {
    await session.waitForLine(/^hello$/);
    await bastion.daemon.waitForLine(/\bclosed\b.*door=ssh/);
    assert.equal(await bastion.probe(), 'silent');
    session.kill('SIGUSR2');
    await session.waitForLine(/^still here$/);
  } finally {
    await session.end('SIGKILL');
  }
});
