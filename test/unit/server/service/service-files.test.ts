/**
 * knock-otpd install-service: the files it writes and removes, what it refuses, and that it touches no other file.
 */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { foreignPart } from '../../../../server/service/installed-program.ts';
import { DROP_IN, image, installService, SSH, UNIT } from './service-image.ts';

test('a configuration of nftables doors needs the unit and nothing besides', async () => {
  const { root, install } = image(SSH);
  const { exit, said } = await install();
  assert.equal(exit, 0, said);
  assert.match(said, /written:\n {2}\/etc\/systemd\/system\/knock-otpd\.service /);
  assert.match(
    said,
    /the service is neither enabled nor started[\s\S]*systemctl daemon-reload\n.*systemctl enable --now knock-otpd/,
  );
  assert.match(readFileSync(join(root, UNIT), 'utf8'), /^ExecStart=\/bin\/sh \/bin\/ls -c \/etc\/knock-otp\.conf$/m);
  assert.equal(statSync(join(root, UNIT)).mode & 0o777, 0o644);
  assert.ok(!existsSync(join(root, DROP_IN)));
  assert.ok(!existsSync(join(root, 'etc/systemd/system/multi-user.target.wants')), 'nothing is enabled');
});

test('where koffi is missing, the unit waits for no sign of the daemon, and it is said', async () => {
  const { root } = image(SSH);
  const { exit, said } = await installService(join(root, 'etc/knock-otp.conf'), ['--root', root], { notifies: false });
  assert.equal(exit, 0);
  assert.match(said, /koffi is not installed/);
  const text = readFileSync(join(root, UNIT), 'utf8');
  assert.match(text, /^Type=exec$/m);
  assert.doesNotMatch(text, /WatchdogSec|NotifyAccess/);
});

test('where a package has put the unit, only the drop-in is written', async () => {
  const { root, install } = image(SSH, 'metrics = 127.0.0.1:9469');
  mkdirSync(join(root, 'usr/lib/systemd/system'));
  writeFileSync(join(root, 'usr/lib/systemd/system/knock-otpd.service'), '');
  assert.equal((await install()).exit, 0);
  assert.ok(!existsSync(join(root, UNIT)) && existsSync(join(root, DROP_IN)));
});

test('--print writes nothing, and prints what would be written', async () => {
  const { root, install } = image(SSH, 'metrics = 127.0.0.1:9469');
  const { printed, said } = await install('--print');
  assert.match(printed, /^# \/etc\/systemd\/system\/knock-otpd\.service$[\s\S]*^# \/etc\/.*10-configuration\.conf$/m);
  assert.equal(said, '');
  assert.ok(!existsSync(join(root, 'etc/systemd')));
});

test('a unit that somebody else wrote is neither replaced nor removed', async () => {
  const { root, install } = image(SSH);
  mkdirSync(dirname(join(root, UNIT)), { recursive: true });
  writeFileSync(join(root, UNIT), '[Service]\nExecStart=/mine\n');
  const refused = await install();
  assert.equal(refused.exit, 2);
  assert.match(refused.said, /is there and was not written by/);
  const kept = await install('--remove');
  assert.equal(kept.exit, 0);
  assert.match(kept.said, /kept, because install-service did not write it/);
  assert.equal(readFileSync(join(root, UNIT), 'utf8'), '[Service]\nExecStart=/mine\n');
});

test('--remove takes away what was written, and not while the service is enabled', async () => {
  const { root, install } = image(SSH, 'metrics = 127.0.0.1:9469');
  await install();
  const wants = join(root, 'etc/systemd/system/multi-user.target.wants');
  mkdirSync(wants);
  symlinkSync('/etc/systemd/system/knock-otpd.service', join(wants, 'knock-otpd.service'));
  const refused = await install('--remove');
  assert.equal(refused.exit, 2);
  assert.match(refused.said, /enabled: .*multi-user\.target\.wants[\s\S]*systemctl disable --now/);
  rmSync(wants, { recursive: true });
  const { said } = await install('--remove');
  assert.match(said, /removed: .*\.service\nremoved: .*10-configuration\.conf\n[\s\S]*knock-otpd flush/);
  assert.ok(!existsSync(join(root, UNIT)) && !existsSync(join(root, DROP_IN)));
  assert.match((await install('--remove')).said, /found no file of install-service/);
});

for (const [options, want, why] of [
  ['state_dir = /root/state', /state_dir: \/root\/state is in a folder that a service cannot see/, 'ProtectHome'],
  ['logfile = /tmp/otpd.log', /logfile: \/tmp\/otpd\.log is in a folder/, 'PrivateTmp'],
  ['state_dir = /srv/my state', /state_dir: \/srv\/my state has characters/, 'a blank ends a word of a unit'],
  ['state_dir = /srv/%h', /has characters/, 'a specifier of systemd'],
] as const) {
  test(`refused: ${options} (${why})`, async () => {
    const { root, install } = image(SSH, options);
    const { exit, said } = await install();
    assert.equal(exit, 2);
    assert.match(said, want);
    assert.ok(!existsSync(join(root, UNIT)));
  });
}

test('a program that others can change is not made a service: they would be root', async () => {
  const { root } = image(SSH);
  const main = join(root, 'main.js');
  writeFileSync(main, '');
  chmodSync(main, 0o666);
  assert.match(foreignPart(main) ?? '', /main\.js (can be changed by others|belongs to user)/);
  const { exit, said } = await installService(join(root, 'etc/knock-otp.conf'), ['--root', root, '--init', 'openrc'], {
    main,
  });
  assert.equal(exit, 2);
  assert.match(said, /who would be root/);
  assert.equal(foreignPart('/bin/sh'), undefined);
});

test('without systemd and OpenRC it says where to look', async () => {
  const { root, install } = image(SSH);
  rmSync(join(root, 'usr'), { recursive: true });
  const { exit, said } = await install();
  assert.equal(exit, 2);
  assert.match(said, /neither systemd nor OpenRC[\s\S]*contrib\//);
  const openrc = await install('--init', 'openrc');
  assert.equal(openrc.exit, 0, openrc.said);
  assert.equal(statSync(join(root, 'etc/init.d/knock-otpd')).mode & 0o777, 0o755);
  assert.match(openrc.said, /rc-update add knock-otpd default/);
});
