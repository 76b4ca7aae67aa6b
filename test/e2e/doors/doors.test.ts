/** Doors of every shape, opened by the real client: protocols, orders, address families, several clients, targets. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import { Bastion } from '../../support/host/bastion.ts';

const options = { skip: skipWithoutNamespaces(), timeout: 120_000 };

const shapes = [
  { why: 'udp in any order', keys: 'protocols = udp' },
  { why: 'both protocols in any order', keys: 'protocols = both\nknocks = 8' },
  { why: 'tcp in strict order', keys: 'order = strict' },
  { why: 'both protocols in strict order', keys: 'protocols = both\norder = strict' },
  { why: 'few ports and many knocks', keys: 'port_range = 20000-20063\nexclude_ports =\nknocks = 16' },
];

for (const { why, keys } of shapes) {
  for (const mode of ['totp', 'hotp']) {
    test(`a ${mode} door with ${why} opens to knock-otp, over IPv4 and IPv6`, options, async () => {
      await using bastion = await Bastion.create({ doors: `[ssh]\notp = ${mode}\nopen = nftables tcp/22\n${keys}\n` });
      const laptop = await bastion.enroll('laptop');
      await bastion.start();
      for (const [name, host] of [
        ['four', bastion.server.ipv4],
        ['six', bastion.server.ipv6],
      ] as const) {
        const input = `${laptop.uri}\n`;
        const added = await bastion.knockOtp(['add', '-', '--as', name, '--host', host], { input });
        assert.equal(added.code, 0, added.stderr);
        const knocked = await bastion.knockOtp([name]);
        assert.equal(knocked.code, 0, knocked.stderr);
      }
      assert.equal(await bastion.probe(), 'open');
      assert.equal(await bastion.probe({ family: 6 }), 'open');
    });
  }
}

test('one door may open several ports, and another door none of them', options, async () => {
  await using bastion = await Bastion.create({
    doors: '[ssh]\notp = totp\nopen = nftables tcp/22, tcp/8022\n[web]\notp = totp\nopen = nftables tcp/8080\n',
  });
  for (const port of [8022, 8080]) await bastion.serve(port);
  const laptop = await bastion.enroll('laptop');
  await bastion.start();
  await bastion.send(laptop.sequence(await bastion.timeStep(laptop)));
  await bastion.daemon.waitForLine(/otpd: opened .*door=ssh/);
  assert.deepEqual(
    [await bastion.probe({ port: 22 }), await bastion.probe({ port: 8022 }), await bastion.probe({ port: 8080 })],
    ['open', 'open', 'silent'],
  );
});

test('when the server changes its address then knocks at the new one open', options, async () => {
  await using bastion = await Bastion.create({ doors: '[ssh]\notp = hotp\nopen = nftables tcp/22\n' });
  const moved = '10.77.0.77';
  const laptop = await bastion.enroll('laptop', { host: moved });
  const daemon = await bastion.start();
  const mark = daemon.mark;
  await bastion.server.ip(`addr del ${bastion.server.ipv4}/24 dev eth0\naddr add ${moved}/24 dev eth0`);
  await daemon.waitForLine(/own addresses changed/, mark, 3000);
  await bastion.knockOtp(['add', '-', '--as', 'bastion'], { input: `${laptop.uri}\n` });
  const knocked = await bastion.knockOtp(['bastion']);
  assert.equal(knocked.code, 0, knocked.stderr);
  assert.match(daemon.stderr, /otpd: opened .*door=ssh/);
});

test('clients are enrolled and revoked while the daemon runs, and do not disturb each other', options, async () => {
  await using bastion = await Bastion.create({
    doors: '[ssh]\notp = totp\nopen = nftables tcp/22\ncmd_timeout = 60\n',
  });
  await bastion.start();
  const [laptop, phone] = [await bastion.enroll('laptop'), await bastion.enroll('phone')];
  const mark = bastion.daemon.mark;
  // Interleaved, from two hosts and from one.
  const step = await bastion.timeStep(laptop);
  const both = laptop.sequence(step).flatMap((knock, at) => [knock, phone.sequence(step)[at] ?? knock]);
  await bastion.send(both);
  await bastion.daemon.waitForLine(/client=laptop/, mark);
  await bastion.daemon.waitForLine(/client=phone/, mark);
  const revoked = await bastion.control('revoke', 'laptop');
  assert.equal(revoked.code, 0, revoked.stderr);
  const later = bastion.daemon.mark;
  await bastion.send(laptop.sequence(step + 1), { from: bastion.other });
  await bastion.send(phone.sequence(step + 1), { from: bastion.other });
  await bastion.daemon.waitForLine(/opened .*client=phone/, later);
  await bastion.barrier();
  assert.doesNotMatch(bastion.daemon.stderr.slice(later), /client=laptop/);
});

test('status says what is so, and its exit code too', options, async () => {
  await using bastion = await Bastion.create();
  const laptop = await bastion.enroll('laptop');
  assert.equal((await bastion.control('status')).code, 1);
  await bastion.start();
  await bastion.send(laptop.sequence(await bastion.timeStep(laptop)));
  await bastion.daemon.waitForLine(/otpd: opened .*door=ssh/);
  const { code, stdout } = await bastion.control('status', '--json');
  assert.equal(code, 0);
  const status = JSON.parse(stdout) as {
    interfaces: { state: string }[];
    clients: { name: string; lastUse?: number }[];
    grants: { source: string; remainingSeconds: number }[];
  };
  assert.deepEqual(
    status.interfaces.map(({ state }) => state),
    ['listening'],
  );
  assert.equal(typeof status.clients.find(({ name }) => name === 'laptop')?.lastUse, 'number');
  const [grant] = status.grants;
  assert.equal(grant?.source, bastion.client.ipv4);
  assert.ok((grant?.remainingSeconds ?? 0) > 20 && (grant?.remainingSeconds ?? 0) <= 30);
  assert.ok(!stdout.includes(laptop.profile.secret.toBase32()));
  await bastion.server.ip('link set eth0 down');
  await bastion.daemon.waitForLine(/\bdeaf\b/);
  const deaf = await bastion.control('status');
  assert.equal(deaf.code, 1);
  assert.match(deaf.stdout, /NOT HEALTHY/);
});
