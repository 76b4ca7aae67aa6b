/** Setup that cannot lock you out: init, a trial with and without its confirmation, flush. */
import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import { Bastion } from '../../support/host/bastion.ts';
import { HIDDEN_PORT } from '../../support/host/bastion-config.ts';
import { hasPatience } from '../../support/host/inside-namespaces.ts';

const options = { skip: skipWithoutNamespaces(), timeout: 120_000 };
const patient = { ...options, skip: options.skip || (!hasPatience() && 'takes its time: npm test -- --long') };

test(
  'when nobody confirms then the trial ends, the door is open to everyone and the exit code is 1',
  patient,
  async () => {
    await using bastion = await Bastion.create();
    const daemon = bastion.launch(['run', '--trial', '10s']);
    await daemon.waitForLine(/\bready\b/);
    assert.equal(await bastion.probe(), 'silent');
    const early = await bastion.control('confirm');
    assert.equal(early.code, 2, 'who has not knocked himself in must not confirm');
    assert.match(early.stderr, /no knock has opened a door/);
    await daemon.waitForLine(/the trial is over/, undefined, 30_000);
    assert.equal((await daemon.finished()).code, 1);
    assert.equal(await bastion.probe(), 'open');
    assert.equal((await bastion.server.must(['nft', 'list', 'ruleset'])).trim(), '');
  },
);

test(
  'when somebody has knocked himself in and confirms then the guard stays and a session is never cut',
  options,
  async () => {
    await using bastion = await Bastion.create();
    const laptop = await bastion.enroll('laptop');
    const go = join(bastion.dir, 'go');
    const session = bastion.client.spawn([
      'bash',
      '-c',
      'exec 3<>"/dev/tcp/$0/$1"; read -u 3 line; echo "said $line"; until [ -e "$2" ]; do sleep 0.05; done; echo ping >&3; read -t 5 -u 3 line; echo "said $line"',
      bastion.server.ipv4,
      `${HIDDEN_PORT}`,
      go,
    ]);
    await session.waitForLine(/said hello/);
    const daemon = bastion.launch(['run', '--trial', '10s']);
    await daemon.waitForLine(/\bready\b/);
    await bastion.send(laptop.sequence(await bastion.timeStep(laptop)));
    await daemon.waitForLine(/opened .*client=laptop/);
    const confirmed = await bastion.control('confirm');
    assert.equal(confirmed.code, 0, confirmed.stderr);
    assert.equal(await bastion.probe({ from: bastion.other }), 'silent');
    await writeFile(go, '');
    assert.match((await session.finished()).stdout, /said ping/, 'the session from before the guard was cut');
    await bastion.stop('SIGTERM');
    assert.equal(await bastion.probe(), 'silent', 'after a confirmation the guard stays when the daemon goes');
  },
);

test('when the daemon on trial is killed then its keeper opens the door again', options, async () => {
  await using bastion = await Bastion.create();
  const daemon = bastion.launch(['run', '--trial', '1h']);
  await daemon.waitForLine(/\bready\b/);
  assert.equal(await bastion.probe(), 'silent');
  await bastion.stop('SIGKILL');
  const deadline = Date.now() + 30_000;
  while ((await bastion.probe()) !== 'open') assert.ok(Date.now() < deadline, 'the keeper did not open');
});

test('when the daemon on trial is stopped before anybody confirms then the door is open again', options, async () => {
  await using bastion = await Bastion.create();
  const daemon = bastion.launch(['run', '--trial', '1h']);
  await daemon.waitForLine(/\bready\b/);
  assert.equal((await bastion.stop('SIGTERM')).code, 0);
  assert.equal(await bastion.probe(), 'open');
});

test(
  'flush takes away the guard of a daemon that is gone, and closes what its commands left open',
  options,
  async () => {
    await using bastion = await Bastion.create();
    const mark = join(bastion.dir, 'opened');
    await bastion.configure({
      doors: `[ssh]
otp = totp
open = nftables tcp/${HIDDEN_PORT}

[cmd]
otp = totp
start_command = touch ${mark}
stop_command = rm ${mark}
cmd_timeout = 3600
`,
    });
    const laptop = await bastion.enroll('laptop', { door: 'cmd' });
    const daemon = await bastion.start();
    const refused = await bastion.control('flush');
    assert.equal(refused.code, 1, refused.stderr);
    await bastion.send(laptop.sequence(await bastion.timeStep(laptop)));
    await daemon.waitForLine(/opened .*client=laptop/);
    await bastion.stop('SIGKILL');
    assert.equal(await bastion.probe(), 'silent');
    await stat(mark);
    const { code, stderr } = await bastion.control('flush');
    assert.equal(code, 0, stderr);
    assert.match(stderr, /closed: cmd for /);
    assert.match(stderr, /open to everyone/);
    assert.equal(await bastion.probe(), 'open');
    await assert.rejects(stat(mark), { code: 'ENOENT' });
    assert.equal((await bastion.server.must(['nft', 'list', 'ruleset'])).trim(), '');
  },
);

test('init --yes writes a configuration that hides the port, and enrolls a client who gets in', options, async () => {
  await using bastion = await Bastion.create();
  const file = join(bastion.dir, 'new', 'knock-otp.conf');
  const init = async (...more: string[]) =>
    await bastion.server.run([
      ...bastion.serverCommand,
      ...['init', '-c', file, '--yes', '-i', 'eth0', '--server', 'b1', '--host', bastion.server.ipv4],
      ...['--state-dir', bastion.stateDir, '--clients-dir', join(bastion.dir, 'new', 'clients'), ...more],
    ]);
  const made = await init();
  assert.equal(made.code, 0, made.stderr);
  assert.match(made.stdout, /^otpauth:\/\/totp\/\S+\n$/, 'nothing but the URI on stdout');
  assert.doesNotMatch(made.stderr, /secret=|█/, 'no secret in the talk, and no picture of it where nobody sees it');
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.equal((await init()).code, 2, 'what is there is not touched');
  await bastion.rewriteConfig(await readFile(file, 'utf8'));
  await bastion.start();
  assert.equal(await bastion.probe(), 'silent');
  const added = await bastion.knockOtp(['add', '-', '--as', 'b1'], { input: made.stdout });
  assert.equal(added.code, 0, added.stderr);
  const knocked = await bastion.knockOtp(['b1']);
  assert.equal(knocked.code, 0, knocked.stderr);
});
