/**
 * The Debian package in a machine of its own: after installation nothing starts, with a configuration it serves, an
 * upgrade keeps the state, removal opens the doors, and a purge leaves no file. Also checked by lintian.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { hasPatience } from '../../support/host/inside-namespaces.ts';
import { noSystemd } from '../../support/service/booted-systemd.ts';
import { ServiceWorld } from '../../support/service/service-world.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'knock-otp-deb-'));
// Lintian reads the folder as another user.
chmodSync(folder, 0o755);
after(() => rmSync(folder, { recursive: true }));

const missing = ['dpkg-deb', 'dpkg-shlibdeps', 'patchelf'].filter(
  (program) => spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0,
);
const skip = !hasPatience()
  ? 'it takes a minute: npm test -- --long'
  : missing.length > 0
    ? `not installed: ${missing.join(', ')}`
    : false;

let first = '';
function build(revision: number): string {
  const words = ['scripts/package-deb', '--revision', `${revision}`, '--output', folder];
  const { status, stdout, stderr } = spawnSync('bash', words, { cwd: root, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return stdout.trim();
}

test('the package is built, and lintian finds no error in it', { skip, timeout: 300_000 }, (t) => {
  first = build(1);
  assert.match(basename(first), /^knock-otp_[\d.]+-1_\w+\.deb$/);
  if (spawnSync('sh', ['-c', 'command -v lintian']).status !== 0) return t.skip('lintian is not installed');
  const { status, stdout, stderr } = spawnSync('lintian', ['--fail-on', 'error', '--allow-root', first], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, stdout + stderr);
  for (const line of stdout.split('\n').filter(Boolean)) t.diagnostic(line);
});

// The package's programs run with Debian's node.
const noMachine = skip || (existsSync('/usr/bin/node') ? (noSystemd() ?? false) : 'there is no /usr/bin/node');

test('installed, configured, upgraded, removed, purged', { skip: noMachine, timeout: 600_000 }, async () => {
  if (first === '') first = build(1);
  const second = build(2);
  await using world = await ServiceWorld.create();
  const { machine } = world;
  // Removes the checkout that other tests use, and the policy that prevents restarts of services in a container.
  await machine.must('rm -f /usr/local/bin/node /usr/sbin/policy-rc.d; rm -rf /var/lib/knock-otp /etc/knockd.conf');
  // Debian has this folder; systemd would make it and leave it.
  await machine.must('mkdir -p /etc/systemd/system/multi-user.target.wants');
  for (const file of [first, second]) await copyFile(file, machine.path(`/srv/${basename(file)}`));
  const places = '/etc /usr /var /opt /srv /run/knock-otp /run/systemd/system';
  const files = async (): Promise<readonly string[]> => {
    const ignored =
      '-path /var/lib/dpkg -o -path /var/log/journal -o -path /var/cache -o -path /var/lib/systemd -o -path /opt/knock-otp';
    const noted = '/var/log/dpkg.log /var/log/alternatives.log';
    const found = await machine.must(`find ${places} \\( ${ignored} \\) -prune -o -print 2>/dev/null | sort; true`);
    return found.split('\n').filter((line) => !noted.includes(line));
  };
  const before = await files();

  await machine.must(`dpkg -i /srv/${basename(first)}`);
  assert.equal((await machine.run(['systemctl', 'is-enabled', 'knock-otpd'])).stdout.trim(), 'disabled');
  assert.equal((await machine.run(['systemctl', 'is-active', 'knock-otpd'])).stdout.trim(), 'inactive');
  await machine.must('systemd-analyze verify /usr/lib/systemd/system/knock-otpd.service');
  const version = (await machine.must('knock-otp --version')).trim();
  assert.equal(await machine.must('knock-otpd --version'), `${version}\n`);
  for (const page of ['1/knock-otp.1', '5/knock-otp.conf.5', '8/knock-otpd.8']) {
    assert.ok(existsSync(machine.path(`/usr/share/man/man${page}.gz`)), page);
  }
  await machine.must('bash -c "source /usr/share/bash-completion/completions/knock-otpd && complete -p knock-otpd"');
  // Without a configuration, a start is skipped and does not fail.
  await machine.must('systemctl start knock-otpd');
  assert.equal(await machine.show('knock-otpd', 'ConditionResult'), 'no');

  await world.serve(22);
  const uri = await machine.must(
    `knock-otpd init --yes --interface eth0 --server b1 --door ssh --client laptop --host ${world.server.ipv4}`,
  );
  const installed = await machine.run(['knock-otpd', 'install-service']);
  assert.match(installed.stderr, /the package's unit is enough for this configuration/);
  await machine.must('systemctl enable --now knock-otpd && knock-otpd status');
  const status = JSON.parse(await machine.must('knock-otpd status --json')) as { capture: unknown };
  assert.match(JSON.stringify(status.capture), /kernel/);
  assert.equal((await world.client.connect(world.server.ipv4, 22)).state, 'silent');
  // The package's own client, on another host.
  await machine.must('knock-otp add - --as b1', { input: uri });
  const knocked = await machine.run(['knock-otp', 'b1'], {}, world.client);
  assert.equal(knocked.code, 0, knocked.stderr);

  // capture = pcap loads the name libpcap.so, which only the development package would install.
  await machine.must(`find / -xdev -name libpcap.so -not -path '/usr/lib/knock-otp/*' -delete
sed -i 's/^interface = eth0/&\\ncapture = pcap/' /etc/knock-otp.conf && systemctl restart knock-otpd && knock-otpd status`);
  const libraries = await machine.must(
    'cat /proc/$(cat /proc/$(systemctl show --value -p MainPID knock-otpd)/task/*/children | cut -d" " -f1)/maps',
  );
  assert.match(libraries, /libpcap\.so/);

  const pid = await machine.show('knock-otpd', 'MainPID');
  const state = await machine.must('sha256sum /etc/knock-otp.conf /etc/knock-otp/clients/laptop.client');
  await machine.must("echo 'KNOCK_OTPD_OPTIONS=-v' > /etc/default/knock-otpd");
  await machine.must(`dpkg -i /srv/${basename(second)}`);
  assert.equal(await machine.must('sha256sum /etc/knock-otp.conf /etc/knock-otp/clients/laptop.client'), state);
  assert.equal(await machine.must('cat /etc/default/knock-otpd'), 'KNOCK_OTPD_OPTIONS=-v\n', 'it is a conffile');
  await machine.must('knock-otpd status');
  assert.notEqual(await machine.show('knock-otpd', 'MainPID'), pid, 'the daemon runs the new files');
  assert.match(
    await machine.must('tr "\\0" " " < /proc/$(systemctl show --value -p MainPID knock-otpd)/cmdline'),
    /knock-otpd\.cjs -v/,
  );
  assert.match(await machine.must('knock-otpd status'), /laptop at ssh, (?!never)/, 'what was spent is remembered');

  const removed = await machine.run(['dpkg', '--remove', 'knock-otp']);
  assert.equal(removed.code, 0, removed.stderr);
  assert.match(removed.stderr, /the doors are open to everyone from now on/);
  assert.equal((await world.client.connect(world.server.ipv4, 22)).state, 'open');
  assert.equal(await machine.must('nft list tables'), '');
  assert.ok(existsSync(machine.path('/etc/knock-otp.conf')) && existsSync(machine.path('/var/lib/knock-otp/state.db')));
  await machine.must('dpkg --purge knock-otp');
  const left = await files();
  const [were, are] = [new Set(before), new Set(left)];
  assert.deepEqual(
    left.filter((line) => !were.has(line)),
    [],
    'left behind',
  );
  assert.deepEqual(
    before.filter((line) => !are.has(line) && !line.endsWith('/libpcap.so')),
    [],
    'taken from others',
  );
});
