/** Which moving factors a door accepts, and from which clients. */
import assert from 'node:assert/strict';
import { cp, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import { Bastion } from '../../support/host/bastion.ts';

const options = { skip: skipWithoutNamespaces(), timeout: 120_000 };
const OPENED = /otpd: opened .*door=ssh/;
const HOTP_DOOR = '[ssh]\notp = hotp\nlook_ahead = 10\nopen = nftables tcp/22\n';

for (const [title, drift] of [
  ['a step behind', -1],
  ['a step ahead', 1],
] as const) {
  test(`a client whose clock is ${title} gets in; two steps off it does not`, options, async () => {
    await using bastion = await Bastion.create();
    const [far, near] = [await bastion.enroll('far'), await bastion.enroll('near')];
    await bastion.start();
    // Not near the end of a step: a knock two steps off could be one step off when it arrives.
    await clearOfStepEdge(far.profile.step);
    const now = await bastion.timeStep(far);
    await bastion.send(far.sequence(now + 2 * drift));
    await bastion.barrier();
    assert.doesNotMatch(bastion.daemon.stderr, OPENED);
    await bastion.send(near.sequence(now + drift));
    await bastion.daemon.waitForLine(OPENED);
    const { stdout } = await bastion.control('status', '--json');
    const status = JSON.parse(stdout) as { clients: readonly { name: string; drift: number }[] };
    assert.equal(status.clients.find(({ name }) => name === 'near')?.drift, drift);
  });
}

async function clearOfStepEdge(stepSeconds: number): Promise<void> {
  const step = stepSeconds * 1000;
  const left = step - (Date.now() % step);
  if (left < 5000) await new Promise((resolve) => setTimeout(resolve, left + 50));
}

test('a knock that begins before a step ends and ends after it opens', options, async () => {
  await using bastion = await Bastion.create({ doors: '[ssh]\notp = totp\nstep = 5\nopen = nftables tcp/22\n' });
  const laptop = await bastion.enroll('laptop');
  await bastion.start();
  const step = await bastion.timeStep(laptop);
  const knocks = laptop.sequence(step);
  await bastion.send(knocks.slice(0, 3));
  while ((await bastion.timeStep(laptop)) === step) await new Promise((resolve) => setTimeout(resolve, 20));
  await bastion.send(knocks.slice(3));
  await bastion.daemon.waitForLine(OPENED);
});

test(
  'an HOTP client eleven ahead is refused, ten ahead resynchronizes, and what it skipped is spent',
  options,
  async () => {
    await using bastion = await Bastion.create({ doors: HOTP_DOOR });
    const laptop = await bastion.enroll('laptop');
    await bastion.start();
    await bastion.send(laptop.sequence(11));
    await bastion.barrier();
    assert.doesNotMatch(bastion.daemon.stderr, OPENED);
    await bastion.send(laptop.sequence(10));
    await bastion.daemon.waitForLine(OPENED);
    const mark = bastion.daemon.mark;
    for (const spent of [0, 9, 10]) await bastion.send(laptop.sequence(spent));
    await bastion.barrier();
    assert.doesNotMatch(bastion.daemon.stderr.slice(mark), /otpd: (opened|extended) .*door=ssh/);
    await bastion.send(laptop.sequence(11));
    await bastion.daemon.waitForLine(/otpd: (opened|extended) .*door=ssh/, mark);
  },
);

test('two clients of one door do not spend each other their counters', options, async () => {
  await using bastion = await Bastion.create({ doors: HOTP_DOOR });
  const [laptop, phone] = [await bastion.enroll('laptop'), await bastion.enroll('phone')];
  await bastion.start();
  await bastion.send(laptop.sequence(0));
  await bastion.daemon.waitForLine(/otpd: opened .*client=laptop/);
  await bastion.send(phone.sequence(0), { from: bastion.other });
  await bastion.daemon.waitForLine(/otpd: opened .*client=phone/);
});

test('a client that is enrolled or revoked while the daemon runs is let in or not at once', options, async () => {
  await using bastion = await Bastion.create({ doors: HOTP_DOOR });
  await bastion.start();
  const laptop = await bastion.enroll('laptop');
  await bastion.send(laptop.sequence(0));
  await bastion.daemon.waitForLine(OPENED);
  assert.equal(await bastion.probe(), 'open');
  const { code, stderr } = await bastion.control('revoke', 'laptop');
  assert.equal(code, 0, stderr);
  await bastion.daemon.waitForLine(/\bclosed\b.*door=ssh/);
  assert.equal(await bastion.probe(), 'silent');
  const mark = bastion.daemon.mark;
  await bastion.send(laptop.sequence(1));
  await bastion.barrier();
  assert.doesNotMatch(bastion.daemon.stderr.slice(mark), OPENED);
});

test("a knock for one server opens no other server that has the same client's secret", options, async () => {
  await using a = await Bastion.create({ doors: HOTP_DOOR, serverId: 'server-a' });
  await using b = await Bastion.create({ doors: HOTP_DOOR, serverId: 'server-b' });
  const laptop = await a.enroll('laptop');
  // The files of A: the same secret, client and door, but another server id.
  for (const entry of await readdir(join(a.dir, 'clients'))) {
    if (entry.includes('laptop'))
      await cp(join(a.dir, 'clients', entry), join(b.dir, 'clients', entry), { recursive: true });
  }
  await a.start();
  await b.start();
  await a.send(laptop.sequence(0));
  await a.daemon.waitForLine(OPENED);
  await b.send(laptop.sequence(0));
  await b.barrier();
  assert.doesNotMatch(b.daemon.stderr, OPENED);
  const { stdout } = await b.control('status', '--json');
  const status = JSON.parse(stdout) as { clients: readonly { name: string }[] };
  assert.ok(
    status.clients.some(({ name }) => name === 'laptop'),
    'B knows the client',
  );
});
