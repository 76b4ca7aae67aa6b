/** The unit, the init scripts and the package's scripts, as systemd-analyze, sh and shellcheck judge them. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { openrcScript } from '../../../../server/service/openrc-script.ts';
import { systemdUnit } from '../../../../server/service/systemd-unit.ts';

const folder = mkdtempSync(join(tmpdir(), 'knock-otp-service-'));
after(() => rmSync(folder, { recursive: true }));

const PLACE = { origin: 'written by a test', node: '/usr/bin/node', program: '/opt/knock-otp/main.js', notifies: true };

const has = (program: string): boolean => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;

test('systemd-analyze finds nothing wrong with the unit, and rates it at 2.0 or lower', (t) => {
  if (!has('systemd-analyze')) return t.skip('systemd-analyze is not installed');
  const file = join(folder, 'knock-otpd.service');
  writeFileSync(file, systemdUnit({ ...PLACE, program: '/bin/ls' }).replace('/usr/bin/node', '/bin/sh'));
  const verified = spawnSync('systemd-analyze', ['verify', '--man=no', file], { encoding: 'utf8' });
  // Messages about other units of this machine do not count.
  const ours = verified.stderr.split('\n').filter((line) => line.includes('knock-otpd'));
  assert.deepEqual(ours, []);
  const args = ['security', '--offline=true', '--threshold=20', '--no-pager', file];
  const rated = spawnSync('systemd-analyze', args, { encoding: 'utf8' });
  assert.equal(rated.status, 0, rated.stdout + rated.stderr);
  assert.match(rated.stdout, /Overall exposure level for knock-otpd\.service: [01]\.\d/);
  // Control: without one line the rating is worse, so this file is what was rated.
  writeFileSync(file, readFileSync(file, 'utf8').replace(/^CapabilityBoundingSet=.*$/m, ''));
  assert.notEqual(spawnSync('systemd-analyze', args).status, 0);
});

const script = openrcScript({ ...PLACE, configFile: '/etc/knock-otp.conf' });
for (const [name, text] of [
  ['the OpenRC script', script],
  ['contrib/rc.d/knock_otpd', undefined],
  ['contrib/cron/knock-otpd-upkeep', undefined],
  ['scripts/package/debian/knock-otp.postinst', undefined],
  ['scripts/package/debian/knock-otp.prerm', undefined],
  ['scripts/package/debian/knock-otp.postrm', undefined],
  ['test/support/service/boot-systemd.sh', undefined],
] as const) {
  test(`${name} is sound shell`, (t) => {
    const input = text ?? readFileSync(new URL(`../../../../${name}`, import.meta.url), 'utf8');
    const parsed = spawnSync('sh', ['-n'], { input, encoding: 'utf8' });
    assert.equal(parsed.status, 0, parsed.stderr);
    if (!has('shellcheck')) return t.skip('shellcheck is not installed');
    // The init system uses the script's variables and functions; /etc/rc.subr is on FreeBSD.
    const args = ['-s', 'sh', '-e', 'SC2034,SC1091,SC2154,SC3043', '-'];
    const checked = spawnSync('shellcheck', args, { input, encoding: 'utf8' });
    assert.equal(checked.status, 0, checked.stdout);
  });
}

test('docs/INSTALL.md says what the crontab and the unit have', () => {
  const manual = readFileSync(new URL('../../../../docs/INSTALL.md', import.meta.url), 'utf8');
  const crontab = readFileSync(new URL('../../../../contrib/cron/crontab', import.meta.url), 'utf8');
  assert.ok(manual.includes(crontab.split('\n').find((line) => line.startsWith('*')) ?? 'no line'));
  const unit = systemdUnit(PLACE);
  for (const folder of unit.match(/(?<=^(?:State|Runtime|Logs)Directory=).*$/gm) ?? [])
    assert.equal(folder, 'knock-otp');
  for (const limit of ['WatchdogSec=30', 'RestartSec=2', 'CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW']) {
    assert.match(unit, new RegExp(`^${limit}$`, 'm'), `the manual says so: ${limit}`);
  }
});
