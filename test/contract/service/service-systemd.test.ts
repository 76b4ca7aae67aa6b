/**
 * knock-otpd under a real systemd, with all restrictions of the unit: it starts, receives, opens, reloads, restarts
 * when it is killed or hangs, and every kind of door works with the drop-in that install-service writes for it.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { hasPatience } from '../../support/host/inside-namespaces.ts';
import { noSystemd } from '../../support/service/booted-systemd.ts';
import { ServiceWorld } from '../../support/service/service-world.ts';

const skip = hasPatience() ? (noSystemd() ?? false) : 'it takes half a minute: npm test -- --long';
const options = { skip, timeout: 300_000 };

const PROGRAM = `ln -s /opt/knock-otp/dist/knock-otpd.cjs /usr/local/sbin/knock-otpd
chmod 755 /opt/knock-otp/dist/knock-otpd.cjs`;

test('from init to an enabled service, and back', options, async () => {
  await using world = await ServiceWorld.create();
  const { machine } = world;
  await machine.must(PROGRAM);
  await world.serve(22);
  const uri = await machine.must(
    `knock-otpd init --yes --interface eth0 --server b1 --door ssh --client laptop --host ${world.server.ipv4}`,
  );
  await world.adopt('b1', uri);
  const installed = await machine.run(['knock-otpd', 'install-service']);
  assert.equal(installed.code, 0, installed.stderr);
  const verified = await machine.run(['systemd-analyze', 'verify', '/etc/systemd/system/knock-otpd.service']);
  assert.equal(verified.code, 0, verified.stderr);
  assert.equal(verified.stderr, '');
  await machine.must('systemctl daemon-reload');
  assert.equal((await machine.run(['systemctl', 'is-enabled', 'knock-otpd'])).stdout.trim(), 'disabled');
  assert.equal((await machine.run(['systemctl', 'is-active', 'knock-otpd'])).stdout.trim(), 'inactive');

  // The next commands that install-service prints.
  const next = installed.stderr.match(/systemctl [a-z-]+( --now knock-otpd)?/g) ?? [];
  assert.deepEqual(next, ['systemctl daemon-reload', 'systemctl enable --now knock-otpd']);
  for (const line of next) await machine.must(line);
  await machine.must('knock-otpd status');
  assert.match(await machine.show('knock-otpd', 'Before'), /network-pre\.target/);
  assert.match(await machine.show('knock-otpd', 'StatusText'), /1 doors, listening on eth0/);
  assert.equal((await world.client.connect(world.server.ipv4, 22)).state, 'silent');
  const knocked = await world.knock(['b1']);
  assert.equal(knocked.code, 0, knocked.stderr);
  const entry = await machine.must('journalctl --unit=knock-otpd --output=json --grep="^opened" | tail -1');
  assert.equal((JSON.parse(entry) as { PRIORITY: string }).PRIORITY, '6', 'the journal has the level from us');
  const status = JSON.parse(await machine.must('knock-otpd status --json')) as { capture: unknown };
  assert.match(JSON.stringify(status.capture), /kernel/, 'NFLOG and libnftables work under the restrictions');

  await restrictions(world);
  await reloads(world);
  await comesBack(world);

  const refused = await machine.run(['knock-otpd', 'install-service', '--remove']);
  assert.equal(refused.code, 2, 'it is enabled');
  await machine.must('systemctl disable --now knock-otpd');
  assert.equal(await machine.show('knock-otpd', 'Result'), 'success');
  assert.equal((await world.client.connect(world.server.ipv4, 22)).state, 'silent', 'what guarded stays');
  await machine.must('knock-otpd install-service --remove && systemctl daemon-reload && knock-otpd flush');
  assert.equal((await world.client.connect(world.server.ipv4, 22)).state, 'open');
  assert.ok(!existsSync(machine.path('/etc/systemd/system/knock-otpd.service')));
});

async function restrictions({ machine }: ServiceWorld): Promise<void> {
  const pid = await machine.show('knock-otpd', 'MainPID');
  const status = await machine.must(`cat /proc/${pid}/status`);
  // CAP_NET_ADMIN is bit 12, CAP_NET_RAW bit 13, see capabilities(7).
  for (const set of ['CapBnd', 'CapPrm', 'CapEff']) assert.match(status, new RegExp(`^${set}:\\t0*3000$`, 'm'));
  assert.match(status, /^NoNewPrivs:\t1$/m);
  assert.match(status, /^Seccomp:\t2$/m);
  const children = (await machine.must(`cat /proc/${pid}/task/*/children`)).trim().split(/\s+/);
  const child = await machine.must(`cat /proc/${children[0]}/status`);
  for (const set of ['CapPrm', 'CapEff']) assert.match(child, new RegExp(`^${set}:\\t0+$`, 'm'), 'the capture child');
  // In the daemon's view of the file system.
  const seen = (line: string) => machine.run(['nsenter', '-t', pid, '-m', '--', 'sh', '-c', line]);
  for (const [line, why] of [
    ['touch /etc/x', 'no configuration is changed'],
    ['touch /usr/x', 'no program is changed'],
    ['ls /root/.profile', 'homes are not there'],
    ['ls /dev/sda /dev/vda /dev/mem', 'devices are not there'],
    ['echo 1 > /proc/sys/net/ipv4/ip_forward', 'no tunable is changed'],
  ] as const) {
    assert.notEqual((await seen(line)).code, 0, `${why}: ${line}`);
  }
  for (const line of ['touch /var/lib/knock-otp/x', 'touch /run/knock-otp/x', 'touch /var/log/knock-otp/x']) {
    assert.equal((await seen(`${line} && rm ${line.slice(6)}`)).code, 0, line);
  }
}

async function reloads({ machine }: ServiceWorld): Promise<void> {
  const config = readFileSync(machine.path('/etc/knock-otp.conf'), 'utf8');
  await machine.must('systemctl reload knock-otpd');
  await machine.must("printf 'nonsense\\n' >> /etc/knock-otp.conf");
  assert.notEqual((await machine.run(['systemctl', 'reload', 'knock-otpd'])).code, 0, 'a broken one is refused');
  assert.equal(await machine.show('knock-otpd', 'ActiveState'), 'active');
  await machine.must('cat > /etc/knock-otp.conf', { input: config });
  await machine.must('systemctl reload knock-otpd');
}

async function comesBack(world: ServiceWorld): Promise<void> {
  const { machine } = world;
  // The same as systemctl edit, without an editor.
  await machine.must(`mkdir -p /etc/systemd/system/knock-otpd.service.d
printf '[Service]\\nWatchdogSec=2\\nRestartSec=100ms\\n' > /etc/systemd/system/knock-otpd.service.d/override.conf
systemctl daemon-reload && systemctl restart knock-otpd`);
  for (const [signal, result] of [
    ['KILL', 'killed'],
    ['STOP', 'the watchdog'],
  ] as const) {
    const pid = await machine.show('knock-otpd', 'MainPID');
    const restarts = Number(await machine.show('knock-otpd', 'NRestarts'));
    // The manager's own property shows the restart.
    await machine.must(`kill -${signal} ${pid}
until [ "$(systemctl show --value -p NRestarts knock-otpd)" -gt ${restarts} ] && systemctl is-active --quiet knock-otpd
do sleep 0.2; done`);
    await machine.must('knock-otpd status');
    assert.notEqual(await machine.show('knock-otpd', 'MainPID'), pid, result);
  }
  await machine.must('rm /etc/systemd/system/knock-otpd.service.d/override.conf && systemctl daemon-reload');
}

/** A configuration with every key that needs more than the unit allows. */
const DEMANDING = `[options]
interface = eth0
server_id = b1
capture = pcap
state_dir = /srv/otp/state
logfile = /var/log/otpd.log
pidfile = /run/otpd.pid
metrics = 127.0.0.1:9469
usesyslog
notify_command = /usr/bin/touch /run/notified
notify_events = open

[nft]
otp = hotp
open = nftables tcp/22

[once]
otp = hotp
open = nftables tcp/23
open_once

[legacy]
otp = hotp
open = iptables tcp/24

[wrapped]
otp = hotp
open = hosts.allow sshd

[command]
otp = hotp
start_command = /usr/bin/touch /run/opened-%IP%

[rule]
otp = hotp
start_command = /usr/sbin/iptables -A INPUT -s %IP% -p tcp --dport 26 -j ACCEPT
stop_command = /usr/sbin/iptables -D INPUT -s %IP% -p tcp --dport 26 -j ACCEPT
cmd_timeout = 1

[user]
otp = hotp
run_as = nobody
shell
start_command = test "$(id -un)" = nobody && echo %IP% > /dev/null

[listed]
one_time_sequences = /etc/knock-otp/listed.sequences
start_command = /bin/echo %IP%
`;

test('every kind of door works under the unit with its drop-in, and not without', options, async () => {
  await using world = await ServiceWorld.create();
  const { machine } = world;
  await machine.must(PROGRAM);
  await machine.must('mkdir -p -m 700 /etc/knock-otp/clients /srv/otp; printf "ALL: ALL\\n" > /etc/hosts.deny');
  await world.write('/etc/knock-otp.conf', DEMANDING);
  await machine.must('knock-otpd sequences -o /etc/knock-otp/listed.sequences --copy /srv/copy');
  const doors = ['nft', 'once', 'legacy', 'wrapped', 'command', 'rule', 'user'];
  for (const door of doors) await world.enroll(door);
  await machine.must('knock-otpd install-service && systemctl daemon-reload && systemctl start knock-otpd');
  const journal = world.journal();
  for (const door of doors) {
    const knocked = await world.knock([door, '--no-verify']);
    assert.equal(knocked.code, 0, knocked.stderr);
    await journal.waitForLine(new RegExp(`^opened .*door=${door}\\b`));
  }
  await journal.waitForLine(/^closed .*door=rule/);
  const copy = `${world.dir}/copy`;
  await writeFile(copy, await machine.must('cat /srv/copy'), { mode: 0o600 });
  const listed = await world.knock([world.server.ipv4, '--one-time', copy, '--no-verify']);
  assert.equal(listed.code, 0, listed.stderr);
  await journal.waitForLine(/^opened .*door=listed|listed: .*OPEN SESAME/i);
  assert.match(await machine.must('cat /etc/knock-otp/listed.sequences'), /^#\d/m, 'the line is struck');
  await machine.must(`test -e /run/opened-${world.client.ipv4} && test -e /run/notified && test -s /run/otpd.pid`);
  assert.match(await machine.must('cat /etc/hosts.allow'), new RegExp(`sshd: ${world.client.ipv4}`));
  assert.match(await machine.must('ipset list knock-otp4-tcp-24'), new RegExp(world.client.ipv4));
  assert.match(await machine.must('cat /var/log/otpd.log'), /opened .*door=user/);
  assert.match(await machine.must('journalctl --identifier=knock-otpd --output=cat'), /opened .*door=user/, 'syslog');
  const metrics = `require('node:http').get('http://127.0.0.1:9469/metrics', (answer) => answer.pipe(process.stdout))`;
  assert.match(await machine.must(`node -e "${metrics}"`), /knock_otp/);
  assert.doesNotMatch(journal.stdout, /\b(failed|EROFS|EPERM|EACCES)\b/);

  await machine.must('rm -r /etc/systemd/system/knock-otpd.service.d && systemctl daemon-reload');
  const refused = await machine.run(['systemctl', 'restart', 'knock-otpd']);
  assert.notEqual(refused.code, 0, 'without its drop-in');
  await journal.waitForLine(/(?:error|run|start_command): .*(cannot|read-only)/);
  // systemd restarts it without limit, so it runs as soon as it can.
  await machine.must(
    'knock-otpd install-service && systemctl daemon-reload && systemctl restart knock-otpd && knock-otpd status',
  );
});
