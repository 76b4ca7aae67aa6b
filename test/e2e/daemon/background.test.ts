/** The daemon as a service: in the background, with pid file and log file, on several interfaces, signals. */
import assert from 'node:assert/strict';
import { appendFile, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import { Bastion } from '../../support/host/bastion.ts';

const options = { skip: skipWithoutNamespaces(), timeout: 120_000 };

/** Polls until `holds` is true: for files, whose changes cause no event here. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await holds())) {
    assert.ok(Date.now() < deadline, 'it did not come about in ten seconds');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test('knock-otpd -d returns when it hears, runs on, logs to its file, and ends by SIGTERM', options, async () => {
  await using bastion = await Bastion.create();
  const [pidFile, logFile] = [join(bastion.dir, 'otpd.pid'), join(bastion.dir, 'otpd.log')];
  const text = await readFile(bastion.configFile, 'utf8');
  await bastion.rewriteConfig(text.replace('[options]', `[options]\npidfile = ${pidFile}\nlogfile = ${logFile}`));
  const laptop = await bastion.enroll('laptop');
  const started = await bastion.control('-d');
  assert.equal(started.code, 0, started.stderr);
  const pid = (await readFile(pidFile, 'utf8')).trim();
  try {
    assert.equal((await bastion.control('status')).code, 0);
    const log = async () => await readFile(logFile, 'utf8');
    assert.match(await log(), /listening/);
    const knocks = laptop.sequence(await bastion.timeStep(laptop));
    await bastion.send(knocks);
    await until(async () => /opened .*client=laptop/.test(await log()));
    // As logrotate does.
    await rename(logFile, `${logFile}.1`);
    await bastion.server.must(['kill', '-HUP', pid]);
    await bastion.send(knocks, { from: bastion.other });
    await until(async () => /refused: (replay|contested)/.test(await log().catch(() => '')));
  } finally {
    await bastion.server.must(['kill', '-TERM', pid]);
  }
  // The daemon's last action; its process may stay a zombie if no parent reaps it.
  await until(async () => (await readFile(pidFile).catch(() => undefined)) === undefined);
  assert.match(await readFile(logFile, 'utf8'), /stopping signal=SIGTERM[\s\S]*closed door=ssh/);
  assert.equal(await bastion.probe(), 'silent', 'the guard stays when the daemon goes');
});

test(
  'when it cannot start then knock-otpd -d says why in the foreground and exits with its code',
  options,
  async () => {
    await using bastion = await Bastion.create();
    await appendFile(bastion.configFile, '\n[ssh2]\notp = totp\nopen = nftables tcp/22\n');
    const broken = await bastion.control('-d');
    assert.equal(broken.code, 2);
    assert.match(broken.stderr, /tcp\/22/);
  },
);

for (const interfaces of ['any', 'eth0, lo']) {
  test(`with interface = ${interfaces} a knock opens, once`, options, async () => {
    await using bastion = await Bastion.create({ interfaces });
    const laptop = await bastion.enroll('laptop');
    await bastion.start();
    await bastion.send(laptop.sequence(await bastion.timeStep(laptop)));
    await bastion.daemon.waitForLine(/otpd: opened .*client=laptop/);
    await bastion.barrier();
    const status = JSON.parse((await bastion.control('status', '--json')).stdout) as {
      interfaces: { interface: string }[];
    };
    assert.deepEqual(
      status.interfaces.map((each) => each.interface),
      interfaces.split(', '),
    );
    assert.equal(bastion.daemon.stderr.match(/opened .*client=laptop/g)?.length, 1);
    assert.equal(await bastion.probe(), 'open');
  });
}
