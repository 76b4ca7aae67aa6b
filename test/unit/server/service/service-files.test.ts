/** What knock-otpd install-service writes for which configuration, what it refuses, and that it touches nobody else's files. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { Command } from 'commander';
import { readConfig } from '../../../../server/config/read-config.ts';
import { foreignPart } from '../../../../server/service/installed-program.ts';
import { openrcScript } from '../../../../server/service/openrc-script.ts';
import { addServiceCommand } from '../../../../server/service/service-command.ts';
import { systemdUnit } from '../../../../server/service/systemd-unit.ts';
import { needsOf } from '../../../../server/service/unit-needs.ts';
import { exitCodeOf, formatProblem, KnockError } from '../../../../shared/errors.ts';

const folder = mkdtempSync(join(tmpdir(), 'knock-otp-service-'));
after(() => rmSync(folder, { recursive: true }));

const SSH = '[ssh]\notp = totp\nopen = nftables tcp/22\n';
const PLACE = { origin: 'written by a test', node: '/usr/bin/node', program: '/opt/knock-otp/main.js', notifies: true };
const UNIT = 'etc/systemd/system/knock-otpd.service';
const DROP_IN = `${UNIT}.d/10-configuration.conf`;

let count = 0;
/** A root of its own, with a configuration whose path is one that a service sees. */
function image(doors: string, options = ''): { root: string; install: (...args: string[]) => Promise<Said> } {
  count += 1;
  const root = join(folder, `${count}`);
  mkdirSync(join(root, 'etc'), { recursive: true });
  mkdirSync(join(root, 'usr/lib/systemd'), { recursive: true });
  writeFileSync(join(root, 'usr/lib/systemd/systemd'), '');
  const config = join(root, 'etc/knock-otp.conf');
  writeFileSync(config, `[options]\ninterface = eth0\nserver_id = b1\n${options}\n${doors}`, { mode: 0o600 });
  return { root, install: (...args) => installService(config, ['--root', root, ...args]) };
}

interface Said {
  readonly exit: number;
  readonly said: string;
  readonly printed: string;
}

async function installService(
  config: string,
  args: readonly string[],
  { main = '/bin/ls', notifies = true } = {},
): Promise<Said> {
  let [said, printed, exit] = ['', '', 0];
  const program = new Command().exitOverride();
  addServiceCommand(program, {
    say: (line) => {
      said += `${line}\n`;
    },
    print: (line) => {
      printed += `${line}\n`;
    },
    read: async () => ({ ...(await readConfig(config)), file: '/etc/knock-otp.conf' }),
    program: { node: '/bin/sh', main, notifies },
  });
  try {
    await program.parseAsync(['install-service', ...args], { from: 'user' });
  } catch (error) {
    assert.ok(error instanceof KnockError, String(error));
    exit = exitCodeOf(error);
    said += [error.message, error.hint, ...error.problems.map((each) => formatProblem(each))].join('\n');
  }
  return { exit, said, printed };
}

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

for (const [doors, options, want, why] of [
  [SSH, 'logfile = /var/log/knock-otp/otpd.log\npidfile = /run/knock-otp/otpd.pid', [], 'its own folders'],
  [SSH, 'logfile = /var/log/otpd.log', ['ReadWritePaths=-/var/log'], 'a log elsewhere'],
  [SSH, 'pidfile = /run/otpd.pid', ['ReadWritePaths=-/run'], 'a pid file elsewhere'],
  [
    SSH,
    'state_dir = /srv/otp',
    ['ExecStartPre=+/bin/mkdir -p -m 0700 /srv/otp', 'ReadWritePaths=-/srv/otp'],
    'state elsewhere, which is made before',
  ],
  [
    SSH,
    'metrics = 127.0.0.1:9469',
    ['RestrictAddressFamilies=AF_INET AF_INET6', 'IPAddressAllow=localhost'],
    'metrics are served on loopback and nowhere else',
  ],
  [SSH, 'metrics = /run/prom/otp.sock', ['ReadWritePaths=-/run/prom'], 'metrics by a socket elsewhere'],
  [
    SSH,
    'notify_command = /bin/true',
    ['RestrictAddressFamilies=AF_INET AF_INET6', 'IPAddressAllow=any', 'ReadWritePaths=-/run'],
    'whom a command tells is not known',
  ],
  [
    '[web]\notp = totp\nopen = iptables tcp/80\n',
    '',
    ['RestrictAddressFamilies=AF_INET AF_INET6', 'ReadWritePaths=-/run'],
    "iptables' lock",
  ],
  [
    '[ftp]\notp = totp\nopen = hosts.allow vsftpd\n',
    '',
    ['ReadWritePaths=-/etc', 'CapabilityBoundingSet=CAP_CHOWN'],
    'hosts.allow is written anew',
  ],
  [
    '[x]\notp = totp\nstart_command = /bin/echo %IP%\nrun_as = nobody\n',
    '',
    [
      'RestrictAddressFamilies=AF_INET AF_INET6',
      'IPAddressAllow=any',
      'ReadWritePaths=-/run',
      'CapabilityBoundingSet=CAP_SETUID CAP_SETGID CAP_KILL',
      'SystemCallFilter=@setuid',
    ],
    'another user',
  ],
  [
    '[x]\notp = totp\nopen = nftables tcp/25\nstart_command = /bin/true\nstop_command = /bin/true\nstop_when = idle 5m\nrun_as = nobody\n',
    '',
    [
      'RestrictAddressFamilies=AF_INET AF_INET6',
      'IPAddressAllow=any',
      'ReadWritePaths=-/run',
      'CapabilityBoundingSet=CAP_SETUID CAP_SETGID CAP_KILL',
      'SystemCallFilter=@setuid',
    ],
    'a service that a knock starts, as another user',
  ],
  [
    '[x]\notp = totp\nstart_command = /bin/echo %IP%\ncommand_timeout = 120\n[y]\notp = totp\nstart_command = /bin/true %IP%\n',
    '',
    ['RestrictAddressFamilies=AF_INET AF_INET6', 'IPAddressAllow=any', 'ReadWritePaths=-/run', 'TimeoutStopSec=250'],
    'a command that may take long, and stopping waits for it',
  ],
  [
    '[x]\none_time_sequences = /etc/knock-otp/x.seq\nstart_command = /bin/echo %IP%\n',
    '',
    [
      'RestrictAddressFamilies=AF_INET AF_INET6',
      'IPAddressAllow=any',
      'ReadWritePaths=-/run',
      'ReadWritePaths=-/etc/knock-otp',
      'CapabilityBoundingSet=CAP_CHOWN',
    ],
    'lines are struck in their file',
  ],
] as const) {
  test(`the drop-in of ${why}: ${want.join(', ') || 'none'}`, async () => {
    const { root, install } = image(doors, options);
    const { exit, said } = await install();
    assert.equal(exit, 0, said);
    const text = existsSync(join(root, DROP_IN)) ? readFileSync(join(root, DROP_IN), 'utf8') : '';
    const settings = text.split('\n').filter((line) => line !== '' && !/^[#[]/.test(line));
    assert.deepEqual(settings, want);
    if (want.length > 0) assert.match(text, /^\[Service\]$/m);
  });
}

test('when the configuration needs less than before then the drop-in goes', async () => {
  const { root, install } = image(SSH, 'metrics = 127.0.0.1:9469');
  await install();
  assert.ok(existsSync(join(root, DROP_IN)));
  writeFileSync(join(root, 'etc/knock-otp.conf'), `[options]\nserver_id = b1\n${SSH}`, { mode: 0o600 });
  const { said } = await install();
  assert.match(said, /removed, no longer needed: .*10-configuration\.conf/);
  assert.ok(!existsSync(dirname(join(root, DROP_IN))), 'and its folder, which is empty');
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

const has = (program: string): boolean => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;

test('systemd-analyze finds nothing wrong with the unit, and rates it at 2.0 or lower', (t) => {
  if (!has('systemd-analyze')) return t.skip('systemd-analyze is not installed');
  const file = join(folder, 'knock-otpd.service');
  writeFileSync(file, systemdUnit({ ...PLACE, program: '/bin/ls' }).replace('/usr/bin/node', '/bin/sh'));
  const verified = spawnSync('systemd-analyze', ['verify', '--man=no', file], { encoding: 'utf8' });
  // Words about other units of this machine are not ours.
  const ours = verified.stderr.split('\n').filter((line) => line.includes('knock-otpd'));
  assert.deepEqual(ours, []);
  const args = ['security', '--offline=true', '--threshold=20', '--no-pager', file];
  const rated = spawnSync('systemd-analyze', args, { encoding: 'utf8' });
  assert.equal(rated.status, 0, rated.stdout + rated.stderr);
  assert.match(rated.stdout, /Overall exposure level for knock-otpd\.service: [01]\.\d/);
  // The same without one line is worse: what is rated is this file.
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
  ['test/support/daemon/boot-systemd.sh', undefined],
] as const) {
  test(`${name} is sound shell`, (t) => {
    const input = text ?? readFileSync(new URL(`../../../../${name}`, import.meta.url), 'utf8');
    const parsed = spawnSync('sh', ['-n'], { input, encoding: 'utf8' });
    assert.equal(parsed.status, 0, parsed.stderr);
    if (!has('shellcheck')) return t.skip('shellcheck is not installed');
    // Variables and functions of a service script are read by what runs it; /etc/rc.subr is FreeBSD's.
    const args = ['-s', 'sh', '-e', 'SC2034,SC1091,SC2154,SC3043', '-'];
    const checked = spawnSync('shellcheck', args, { input, encoding: 'utf8' });
    assert.equal(checked.status, 0, checked.stdout);
  });
}

test('needs are told with the words of the configuration that ask for them', async () => {
  const { root } = image(SSH, 'metrics = 127.0.0.1:9469');
  const needs = needsOf(await readConfig(join(root, 'etc/knock-otp.conf')));
  assert.deepEqual(
    needs.map(({ reason }) => reason),
    ['metrics by TCP'],
  );
});

test('a daemon that listens may open the sockets that it listens at', async () => {
  const file = join(image(SSH).root, 'etc/knock-otp.conf');
  const door = '[box]\notp = totp\nknocks = 10\nstart_command = /bin/true\nstop_command = /bin/true\n';
  writeFileSync(file, `[options]\ncapture = listen\nserver_id = box\n${door}`, { mode: 0o600 });
  const needs = needsOf(await readConfig(file));
  assert.deepEqual(needs[0], {
    reason: 'capture = listen',
    settings: ['RestrictAddressFamilies=AF_INET AF_INET6', 'IPAddressAllow=any'],
  });
});

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
