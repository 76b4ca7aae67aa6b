/** What a configuration needs of the systemd unit, and the drop-in that install-service writes for it. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { readConfig } from '../../../../server/config/read-config.ts';
import { needsOf } from '../../../../server/service/unit-needs.ts';
import { DROP_IN, image, SSH } from './service-image.ts';

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
