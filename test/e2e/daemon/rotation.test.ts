/** The logrotate file: logrotate accepts it, a rotation moves the log away, and the daemon continues in a new log. */
import assert from 'node:assert/strict';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import { Bastion } from '../../support/host/bastion.ts';
import { fileSays } from '../../support/host/file-says.ts';

const shipped = fileURLToPath(new URL('../../../contrib/logrotate/knock-otpd', import.meta.url));

test('when logrotate has rotated then the daemon writes to the new file', {
  skip: skipWithoutNamespaces(),
  timeout: 60_000,
}, async () => {
  await using bastion = await Bastion.create();
  const [log, pidFile] = [join(bastion.dir, 'log/otpd.log'), join(bastion.dir, 'otpd.pid')];
  await mkdir(join(bastion.dir, 'log'));
  const text = await readFile(bastion.configFile, 'utf8');
  await bastion.rewriteConfig(text.replace('[options]', `[options]\nlogfile = ${log}\npidfile = ${pidFile}`));
  const daemon = await bastion.start();
  const rules = join(bastion.dir, 'logrotate.conf');
  // The shipped file with the paths of this test; there is no service here.
  const places = (await readFile(shipped, 'utf8'))
    .replace('/var/log/knock-otp/*.log', join(bastion.dir, 'log/*.log'))
    .replace('/run/systemd/system', '/nowhere')
    .replaceAll('/run/knock-otp/knock-otpd.pid', pidFile);
  await writeFile(rules, places, { mode: 0o644 });
  const logrotate = (...args: string[]) =>
    bastion.server.run(['logrotate', ...args, '--state', join(bastion.dir, 'rotated'), rules]);
  const asked = await logrotate('--debug');
  assert.equal(asked.code, 0, asked.stderr);
  assert.doesNotMatch(asked.stderr, /^error:/m);
  assert.match(asked.stderr, /considering log .*otpd\.log/);

  const mark = daemon.mark;
  const rotated = await logrotate('--force');
  assert.equal(rotated.code, 0, rotated.stderr);
  await daemon.waitForLine(/configuration/, mark);
  assert.match(await readFile(`${log}.1`, 'utf8'), /\bready\b/);
  assert.equal((await stat(log)).mode & 0o777, 0o640);
  const laptop = await bastion.enroll('laptop');
  await bastion.send(laptop.sequence(await bastion.timeStep(laptop)));
  await daemon.waitForLine(/otpd: opened .*client=laptop/);
  await fileSays(log, /opened .*client=laptop/);
  assert.doesNotMatch(await readFile(`${log}.1`, 'utf8'), /opened/);
});
