/** The command line of knock-otpd where it takes knockd's place: its options, and which configuration it means. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { after, test } from 'node:test';
import { runCli } from '../../../server/cli.ts';
import { DEFAULT_CONFIGS, findConfig } from '../../../server/config/find-config.ts';
import { readText } from '../../support/host/stream-text.ts';

const root = mkdtempSync(join(tmpdir(), 'knock-otp-cli-'));
after(() => rmSync(root, { recursive: true }));

function configFile(name: string, text: string): string {
  const path = join(root, name);
  writeFileSync(path, `[options]\nserver_id = b\nclients_dir = ${root}/clients\n${text}`, { mode: 0o600 });
  return path;
}

async function cli(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const code = await runCli(args, { version: '1.2.3', stdout, stderr });
  return { code, stdout: readText(stdout), stderr: readText(stderr) };
}

const SSH = '[openSSH]\nsequence = 7000,9000,8000,6500\ntcpflags = syn\ncommand = /bin/open %IP%\n';

test('when help is asked for then every option of knockd is there, under both of its names', async () => {
  const { code, stdout } = await cli('-h');
  assert.equal(code, 0);
  for (const option of [
    '-i, --interface',
    '-d, --daemon',
    '-c, --config',
    '-D, --debug',
    '-l, --lookup',
    '-p, --pidfile',
    '-g, --logfile',
    '-v, --verbose',
    '-V, --version',
    '-4, --only-ip-v4',
    '-h, --help',
  ]) {
    assert.ok(stdout.includes(`  ${option} `) || stdout.includes(`  ${option}\n`), `${option} is not in ${stdout}`);
  }
});

test('when the version is asked for then it is printed', async () => {
  assert.deepEqual(await cli('-V'), { code: 0, stdout: '1.2.3\n', stderr: '' });
});

test('when an option is not known then the exit code is 2', async () => {
  const { code, stderr } = await cli('-x');
  assert.equal(code, 2);
  assert.match(stderr, /knock-otpd: error: unknown option '-x'/);
});

test("when knockd's options stand before a command then they count", async () => {
  const file = configFile('sound.conf', SSH);
  const { code, stdout } = await cli('-D', '-l', '-4', '-i', 'eth7', '-c', file, 'check');
  assert.equal(code, 0);
  assert.match(stdout, /interface {2}eth7/);
});

test('when a door of a file stays shut then the check ends with 1, and says why', async () => {
  const file = configFile(
    'shut.conf',
    `${SSH}[mail]\none_time_sequences = ${root}/none\ntcpflags = syn\ncommand = true %IP%\n`,
  );
  const { code, stdout } = await cli('check', '-c', file);
  assert.equal(code, 1);
  assert.match(stdout, /warning: .*\[mail\] one_time_sequences: the door stays shut/);
});

test('when a door with a sequence is to get a client then that is refused with the way to get one', async () => {
  const { code, stderr } = await cli('enroll', 'laptop', '-c', configFile('sound.conf', SSH));
  assert.equal(code, 2);
  assert.match(
    stderr,
    /with written-down sequences has no clients to enroll\nknock-otpd: hint: replace its sequence with otp = totp/,
  );
});

test('when nobody names a configuration then it is ours, and that of knockd where ours is missing', () => {
  assert.deepEqual([...DEFAULT_CONFIGS], ['/etc/knock-otp.conf', '/etc/knockd.conf']);
  const [ours, theirs] = [join(root, 'ours'), join(root, 'theirs')];
  assert.equal(findConfig([ours, theirs]), ours, 'neither is there: ours is the one to name');
  writeFileSync(theirs, '');
  assert.equal(findConfig([ours, theirs]), theirs);
  symlinkSync(join(root, 'nowhere'), ours);
  assert.equal(findConfig([ours, theirs]), ours, 'a link that leads nowhere is a mistake to be told of');
});
