/** A jumping clock, a second daemon, a damaged state: no spent knock opens, and the log names the remedy. */
import assert from 'node:assert/strict';
import { chmod, copyFile, open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import { mustRun, run } from '../../../scripts/lab/running-process.ts';
import { Bastion } from '../../support/host/bastion.ts';
import { hasPatience } from '../../support/host/inside-namespaces.ts';

const options = { skip: skipWithoutNamespaces(), timeout: 120_000 };
/** Each takes some seconds, and the tests of the core and of the store's contract cover most cases. */
const patient = { ...options, skip: options.skip || (!hasPatience() && 'takes its time: npm test -- --long') };
const OPENED = /otpd: opened .*door=ssh/;
const CLOSED = /\bclosed\b.*door=ssh/;
const HOUR = 3_600_000;

test(
  'when the clock jumps while a door is open then the door shuts at its time, and spent steps stay spent',
  options,
  async () => {
    await using bastion = await Bastion.create({
      doors: '[ssh]\notp = totp\nopen = nftables tcp/22\ncmd_timeout = 2\n',
    });
    const laptop = await bastion.enroll('laptop');
    const daemon = await bastion.start();
    const openThenJump = async (aheadMs: number) => {
      const mark = daemon.mark;
      const openedAt = performance.now();
      const knocks = laptop.sequence(await bastion.timeStep(laptop));
      await bastion.send(knocks);
      await daemon.waitForLine(OPENED, mark);
      await bastion.setClock(aheadMs);
      assert.equal(await bastion.probe(), 'open', 'closed by a jump of the clock');
      await daemon.waitForLine(CLOSED, mark);
      assert(performance.now() - openedAt >= 2000, 'closed before its time');
      return knocks;
    };
    const first = await openThenJump(3 * HOUR);
    const second = await openThenJump(-1 * HOUR);
    // Four hours before a time already seen: no knock opens, old or new, until an administrator confirms the clock.
    await daemon.waitForLine(/clock stands before a time already seen/);
    for (const knocks of [first, second, laptop.sequence(await bastion.timeStep(laptop))]) await bastion.send(knocks);
    await bastion.barrier();
    assert.equal(await bastion.probe(), 'silent');
    assert.equal((await bastion.control('accept-clock')).code, 0);
    // All steps up to the one spent three hours ahead stay spent; those of another client do not.
    const phone = await bastion.enroll('phone');
    let mark = daemon.mark;
    await bastion.send(laptop.sequence(await bastion.timeStep(laptop)));
    await bastion.barrier();
    assert.doesNotMatch(daemon.stderr.slice(mark), OPENED);
    mark = daemon.mark;
    await bastion.send(phone.sequence(await bastion.timeStep(phone)));
    await daemon.waitForLine(OPENED, mark);
  },
);

test('when the clock slews across the edges of steps then no knock is lost and none opens twice', patient, async () => {
  await using bastion = await Bastion.create({
    doors: '[ssh]\notp = totp\nstep = 5\nopen = nftables tcp/22\ncmd_timeout = 30\n',
  });
  const laptop = await bastion.enroll('laptop');
  const daemon = await bastion.start();
  let ahead = 0;
  for (let knock = 0; knock < 4; knock += 1) {
    // A step ends within each knock: the last packets arrive after the clock has moved by a second and a half.
    const factor = await bastion.timeStep(laptop);
    const knocks = laptop.sequence(factor);
    const mark = daemon.mark;
    await bastion.send(knocks.slice(0, 3));
    ahead += 5000;
    await bastion.setClock(ahead);
    await bastion.send(knocks.slice(3));
    await daemon.waitForLine(/otpd: (opened|extended) .*door=ssh/, mark);
    await bastion.send(knocks, { from: bastion.other });
    ahead -= 1500;
    await bastion.setClock(ahead);
    await bastion.send(knocks, { from: bastion.other });
    await bastion.barrier();
    assert.equal(await bastion.probe({ from: bastion.other }), 'silent');
    ahead += 6500;
    await bastion.setClock(ahead);
  }
});

test('when a second daemon is started then it is refused and says why, and the first goes on', options, async () => {
  await using bastion = await Bastion.create({
    doors: '[ssh]\notp = hotp\nopen = nftables tcp/22\ncmd_timeout = 60\n',
  });
  const laptop = await bastion.enroll('laptop');
  const first = await bastion.start();
  await bastion.send(laptop.sequence(0));
  await first.waitForLine(OPENED);
  const second = bastion.launch();
  assert.equal((await second.finished()).code, 1);
  assert.match(
    second.stderr,
    /error: state directory .* is in use by another knock-otpd.*\n.*hint: .*knock-otpd status/,
  );
  assert.equal(await bastion.probe(), 'open', 'the second one closed what the first one holds open');
  const mark = first.mark;
  await bastion.send(laptop.sequence(1), { from: bastion.other });
  await first.waitForLine(OPENED, mark);
  const { code, stdout } = await bastion.control('status', '--json');
  assert.equal(code, 0);
  assert.equal((JSON.parse(stdout) as { pid: number }).pid, first.pid);
});

/** What the daemon does with a few kinds of damage; test/contract/store/store tests all. */
const DAMAGES: readonly (readonly [string, (file: string) => Promise<unknown>])[] = [
  ['garbage', (file) => writeFile(file, 'hello')],
  ['flipped in its pages', (file) => flip(file, 4096)],
  // Without a second user in this namespace, the mode is wrong instead of the owner.
  [
    'of another owner',
    async (file) => ((await run(['chown', '12345', file])).code === 0 ? undefined : chmod(file, 0o622)),
  ],
];

test(
  'when the state is damaged then no daemon starts, the door is shut, and the message says what to do',
  patient,
  async () => {
    await using bastion = await Bastion.create({
      doors: '[ssh]\notp = hotp\nopen = nftables tcp/22\ncmd_timeout = 1\n',
    });
    const laptop = await bastion.enroll('laptop');
    const daemon = await bastion.start();
    await bastion.send(laptop.sequence(0));
    await daemon.waitForLine(CLOSED);
    await bastion.stop();
    const file = join(bastion.stateDir, 'state.db');
    await copyFile(file, join(bastion.dir, 'good.db'));
    for (const [what, damage] of DAMAGES) {
      await damage(file);
      await bastion.server.must(['nft', 'flush', 'ruleset']);
      const refused = bastion.launch();
      assert.equal((await refused.finished()).code, 1, what);
      assert.match(refused.stderr, /doors are shut/, what);
      assert.match(refused.stderr, /error: .*state\.db [\s\S]*hint: the door stays shut until it is repaired/, what);
      await bastion.send(laptop.sequence(0));
      assert.equal(await bastion.probe(), 'silent', what);
      await mustRun(['install', '-m', '600', '-o', '0', join(bastion.dir, 'good.db'), file]);
    }
    const again = await bastion.start();
    await bastion.send(laptop.sequence(0));
    await bastion.barrier();
    assert.doesNotMatch(again.stderr, OPENED);
    await bastion.send(laptop.sequence(1));
    await again.waitForLine(OPENED);
  },
);

async function flip(path: string, from: number): Promise<void> {
  const bytes = await readFile(path);
  for (let at = from; at < bytes.length; at += 97) bytes[at] = (bytes[at] ?? 0) ^ 0xff;
  const file = await open(path, 'r+');
  await file.write(bytes, 0, bytes.length, 0);
  await file.close();
}
