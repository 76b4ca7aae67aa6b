/** The line for cron, with a daemon that is healthy, killed, deaf, or hangs. */
import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import type { Finished } from '../../../scripts/lab/running-process.ts';
import { Bastion } from '../../support/host/bastion.ts';
import { SERVER_FILE } from '../../support/host/built.ts';
import { hasPatience } from '../../support/host/inside-namespaces.ts';

const contrib = fileURLToPath(new URL('../../../contrib/cron/', import.meta.url));
const skip = hasPatience() ? skipWithoutNamespaces() : 'it takes half a minute: npm test -- --long';
const options = { skip, timeout: 180_000 };

/** The command of the crontab's line, with the test's paths of program and daemon. */
async function cronLine(bastion: Bastion): Promise<() => Promise<Finished>> {
  const bin = join(bastion.dir, 'bin');
  await mkdir(bin);
  await writeFile(join(bin, 'knock-otpd'), `#!/bin/sh\nexec ${process.execPath} ${SERVER_FILE} "$@"\n`, {
    mode: 0o755,
  });
  // The script sets PATH itself, because cron's is too short.
  const script = await readFile(join(contrib, 'knock-otpd-upkeep'), 'utf8');
  const upkeep = join(bin, 'knock-otpd-upkeep');
  await writeFile(upkeep, script.replace(/^PATH=/m, `PATH=${bin}:`).replaceAll('/run/systemd/system', '/nowhere'), {
    mode: 0o755,
  });
  const crontab = await readFile(join(contrib, 'crontab'), 'utf8');
  const [, command = ''] = /^\* \* \* \* \* root (.*)$/m.exec(crontab) ?? [];
  assert.equal(command, '/usr/local/sbin/knock-otpd-upkeep');
  const words = [upkeep, '-c', bastion.configFile, '-p', join(bastion.dir, 'run/otpd.pid')];
  return async () => await bastion.server.run(words, { env: { KNOCK_OTPD_PATIENCE: '1' } });
}

test('the line for cron starts, leaves alone, and restarts', options, async () => {
  await using bastion = await Bastion.create();
  const cron = await cronLine(bastion);
  const pid = async (): Promise<number> => Number(await readFile(join(bastion.dir, 'run/otpd.pid'), 'utf8'));
  const isWell = async (): Promise<boolean> => (await bastion.control('status')).code === 0;
  const { server } = bastion;
  try {
    const first = await cron();
    assert.equal(first.code, 0, first.stderr);
    assert.match(first.stderr, /starting it/);
    assert.ok(await isWell());

    const well = await cron();
    assert.equal(`${well.code} ${well.stdout}${well.stderr}`, '0 ', 'cron would send a mail for every word');

    const live = await pid();
    await server.must(['kill', '-KILL', `${live}`]);
    const killed = await cron();
    assert.equal(killed.code, 0, killed.stderr);
    assert.ok((await isWell()) && (await pid()) !== live);

    const hearing = await pid();
    await server.ip('link set eth0 down');
    // The daemon notices it within a second; until then it reports itself healthy.
    while (await isWell());
    const deaf = await cron();
    assert.match(deaf.stderr, /deaf or dumb: ending process/);
    assert.notEqual(await pid(), hearing);
    await server.ip('link set eth0 up');
    await bastion.network.address(server).catch(() => undefined);
    const again = await cron();
    assert.equal(again.code, 0, again.stderr);
    assert.ok(await isWell());

    const still = await pid();
    await server.must(['kill', '-STOP', `${still}`]);
    const woken = await cron();
    assert.match(woken.stderr, /deaf or dumb/);
    assert.notEqual(await pid(), still);
    assert.ok(await isWell());
  } finally {
    await server.run(['kill', '-KILL', `${await pid().catch(() => 0)}`]);
  }
});

test('a number of somebody else in the pid file is left alone', options, async () => {
  await using bastion = await Bastion.create();
  const cron = await cronLine(bastion);
  const stranger = bastion.server.spawn(['sleep', '100']);
  await mkdir(join(bastion.dir, 'run'));
  await writeFile(join(bastion.dir, 'run/otpd.pid'), `${stranger.pid}\n`);
  const ran = await cron();
  try {
    assert.equal(ran.code, 0, ran.stderr);
    assert.doesNotMatch(ran.stderr, /ending process/);
    assert.ok(!stranger.ended);
  } finally {
    await stranger.end('SIGKILL');
    await bastion.server.run(['kill', '-KILL', (await readFile(join(bastion.dir, 'run/otpd.pid'), 'utf8')).trim()]);
  }
});
