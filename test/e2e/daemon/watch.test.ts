/** `knock-otpd explain --live` and `knock-otpd watch` with a running daemon; watch in a terminal of script(1). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import { Bastion } from '../../support/host/bastion.ts';
import { SERVER_PROGRAM } from '../../support/host/built.ts';

const options = { skip: skipWithoutNamespaces(), timeout: 120_000 };

test('packets are explained as they come', options, async () => {
  await using bastion = await Bastion.create({ doors: '[ssh]\notp = hotp\nopen = nftables tcp/22\n' });
  const laptop = await bastion.enroll('laptop');
  await bastion.start();
  const argv = [process.execPath, SERVER_PROGRAM, 'explain', '--live', '--json', '-c', bastion.configFile];
  const follower = bastion.server.spawn(argv, {});
  // explain --live does not report its start, so the test sends barrier knocks until one is shown.
  let isFollowing = false;
  const seen = follower.waitForLine(/"number":1,/).then(() => {
    isFollowing = true;
  });
  while (!isFollowing) {
    await bastion.barrier();
    await Promise.race([seen, new Promise((resolve) => setTimeout(resolve, 50))]);
  }
  const mark = follower.mark;
  await bastion.send(laptop.sequence(0));
  await follower.waitForLine(/"knock":6,.*"door":"ssh","client":"laptop","opens":true/, mark);
  await bastion.send(laptop.sequence(0), { from: bastion.other });
  await follower.waitForLine(/"opens":false,"reason":"(replay|contested)"/, mark);
  const ended = await follower.end('SIGINT');
  assert.deepEqual([ended.code, ended.stderr], [0, '']);
});

test(
  'watch draws on the other screen and gives it back; without a terminal it prints one picture',
  options,
  async () => {
    await using bastion = await Bastion.create();
    const laptop = await bastion.enroll('laptop');
    await bastion.start();
    await bastion.send(laptop.sequence(await bastion.timeStep(laptop)));
    await bastion.daemon.waitForLine(/otpd: opened .*door=ssh/);
    const plain = await bastion.control('watch');
    assert.equal(plain.code, 0, plain.stderr);
    assert.match(plain.stdout, /^knock-otpd \S+ as bastion: healthy\neth0: listening, 0 dropped\npackets \d+/);
    assert.match(plain.stdout, / {2}\d+ s {2}ssh {2}10\.\S+ {2}laptop\n/);
    assert.ok(!plain.stdout.includes('\u001b'));

    const command = `stty rows 12 columns 40; ${process.execPath} ${SERVER_PROGRAM} watch -c ${bastion.configFile}; echo "exit $?"`;
    const terminal = await bastion.server.run(['script', '-qfec', command, '/dev/null'], {
      // Typed ahead: watch reads it when the terminal is raw.
      input: 'q',
      env: { TERM: 'xterm' },
      timeoutMs: 30_000,
    });
    const said = terminal.stdout;
    const places = ['\u001b[?1049h', '\u001b[?25l', 'knock-otpd', '\u001b[?25h', '\u001b[?1049l', 'exit 0'].map(
      (part) => said.indexOf(part),
    );
    assert.ok(!places.includes(-1), said);
    assert.deepEqual(
      places,
      places.toSorted((a, b) => a - b),
    );
  },
);
