/**
 * All files but those of a knock, on a failing disk: each system call that writes a file or makes it durable fails, one
 * after the other. What must hold: a file is whole, old or new; reported success is true; an error after a completed
 * change says how to go on; no error contains a secret.
 */
import assert from 'node:assert/strict';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { mustRun, run } from '../../../scripts/lab/running-process.ts';
import { parseProfileUri } from '../../../shared/formats/profile-uri.ts';
import { type Broken, type Command, walkFaults } from '../../support/faults/fault-walk.ts';
import { skipWithoutStrace } from '../../support/faults/strace.ts';
import { SERVER_PROGRAM } from '../../support/host/built.ts';
import { hasPatience } from '../../support/host/inside-namespaces.ts';

const built = (path: string) => fileURLToPath(new URL(`../../../dist/${path}`, import.meta.url));
/** No V8 threads: they write to descriptors of their own, which no fault may hit. */
const node = [process.execPath, '--v8-pool-size=0'];
const server = [...node, SERVER_PROGRAM];
const client = [...node, built('client/main.js')];
const wrapper = [...node, fileURLToPath(new URL('../../support/faults/wrapper-child.mjs', import.meta.url))];

const root = mkdtempSync(join(tmpdir(), 'knock-otp-file-faults-'));
after(() => rmSync(root, { recursive: true, force: true }));
const options = { skip: skipWithoutStrace(), timeout: 600_000 };
const patient = { ...options, skip: options.skip || (!hasPatience() && 'takes its time: npm test -- --long') };
const errors = hasPatience() ? ['EIO', 'ENOSPC', 'EROFS'] : ['EIO'];

const dir = join(root, 'files');
const config = join(root, 'knock-otp.conf');
writeFileSync(
  config,
  `[options]
interface = lo
server_id = bastion
state_dir = ${join(root, 'state')}
clients_dir = ${join(dir, 'clients')}
[gate]
otp = hotp
start_command = /bin/true %IP%
stop_command = /bin/true %IP%
cmd_timeout = 1
`,
  { mode: 0o600 },
);
const clientFile = join(dir, 'clients', 'laptop.client');
const SECRET_LINE = /^secret = ([A-Z2-7]+)$/m;
const enroll = ['enroll', 'laptop', '--door', 'gate', '--host', '127.0.0.1', '-c', config];

function emptied(): void {
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { mode: 0o700 });
}

/** A copy of the folder as a command left it, to restore it for each fault. */
async function keptAfter(...commands: Command[]): Promise<() => void> {
  emptied();
  for (const { argv, input, env } of commands)
    await mustRun(argv, { ...(input === undefined ? {} : { input }), ...(env === undefined ? {} : { env }) });
  const kept = mkdtempSync(join(root, 'kept-'));
  cpSync(dir, kept, { recursive: true, preserveTimestamps: true });
  return () => {
    rmSync(dir, { recursive: true, force: true });
    cpSync(kept, dir, { recursive: true, preserveTimestamps: true });
  };
}

function textOf(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'latin1') : undefined;
}

async function walk(
  t: TestContext,
  command: Command,
  prepare: () => void,
  judge: (broken: Broken) => void | Promise<void>,
): Promise<void> {
  const broken = await walkFaults(command, { dir, errors, prepare, judge });
  t.diagnostic([...broken].map(([call, times]) => `${call} ${times}`).join(', '));
  const writes = ['write', 'pwrite64', 'unlink'].reduce((sum, call) => sum + (broken.get(call) ?? 0), 0);
  assert.ok(writes > 0, 'no call that writes was broken');
  assert.ok((broken.get('fsync') ?? 0) > 0, 'no call that makes durable was broken');
}

/** Checks what a failed command reports, and that it reports no secret. */
function assertRefused({ code, stdout, stderr, fault }: Broken): void {
  assert.equal(code, 1, `${fault}: exit ${code}: ${stderr}`);
  assert.match(stderr, /^knock-otpd?: error: /m, fault);
  assert.doesNotMatch(stdout + stderr, /otpauth:|[A-Z2-7]{26,}/, `${fault}: a secret was told`);
}

/** No leftover that a reader of the folder would take for a file of ours, and no file that others can read. */
function assertTidy(folder: string, names: readonly string[], fault: string): void {
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    if (names.includes(name)) continue;
    assert.ok(!/\.(client|profile|lines)$/.test(name), `${fault}: ${name} was left`);
    assert.equal(statSync(join(folder, name)).mode & 0o077, 0, `${fault}: others can read ${name}`);
  }
}

test('when enroll cannot write then no secret is told, and the client is enrolled whole or not', options, async (t) => {
  await walk(t, { argv: [...server, ...enroll] }, emptied, async (broken) => {
    const secret = SECRET_LINE.exec(textOf(clientFile) ?? '')?.[1];
    assertTidy(join(dir, 'clients'), ['laptop.client'], broken.fault);
    if (broken.code === 0) {
      assert.equal(secret, parseProfileUri(broken.stdout.trim()).secret.toBase32(), broken.fault);
      return;
    }
    assertRefused(broken);
    if (existsSync(clientFile)) assert.ok(secret, `${broken.fault}: a file without a secret`);
    await mustRun([...server, ...enroll, '--replace']);
  });
});

test('when enroll --replace cannot write then the old secret or the new one is there, whole', patient, async (t) => {
  const prepare = await keptAfter({ argv: [...server, ...enroll] });
  const before = textOf(clientFile);
  await walk(t, { argv: [...server, ...enroll, '--replace'] }, prepare, (broken) => {
    const now = textOf(clientFile) ?? '';
    assert.match(now, SECRET_LINE, broken.fault);
    if (broken.code !== 0) return assertRefused(broken);
    assert.notEqual(now, before, `${broken.fault}: said to be replaced`);
    assert.equal(SECRET_LINE.exec(now)?.[1], parseProfileUri(broken.stdout.trim()).secret.toBase32(), broken.fault);
  });
});

test('when revoke cannot write then it says so, and goes through when the disk is fine', patient, async (t) => {
  const prepare = await keptAfter({ argv: [...server, ...enroll] });
  const before = textOf(clientFile);
  const argv = [...server, 'revoke', 'laptop', '-c', config];
  await walk(t, { argv }, prepare, async (broken) => {
    const now = textOf(clientFile);
    if (broken.code === 0) return assert.equal(now, undefined, `${broken.fault}: said to be revoked`);
    assertRefused(broken);
    assert.ok(now === undefined || now === before, `${broken.fault}: neither there nor gone`);
    const { code, stderr } = await run(argv);
    assert.ok(code === 0 || /is not enrolled/.test(stderr), `${broken.fault}: ${stderr}`);
    assert.equal(textOf(clientFile), undefined);
  });
});

test(
  'when a pair of sequence files cannot be written then there is none, or both are there and the same',
  patient,
  async (t) => {
    const [first, second] = [join(dir, 'server.lines'), join(dir, 'client.lines')];
    const argv = [...server, 'sequences', '-o', first, '--copy', second, '-n', '20'];
    await walk(t, { argv }, emptied, (broken) => {
      assert.equal(textOf(first), textOf(second), broken.fault);
      assertTidy(dir, ['server.lines', 'client.lines'], broken.fault);
      const lines = textOf(first)
        ?.split('\n')
        .filter((line) => line.startsWith(' ')).length;
      if (broken.code === 0) return assert.equal(lines, 20, broken.fault);
      assertRefused(broken);
      assert.ok(lines === undefined || lines === 20, `${broken.fault}: ${lines} lines`);
    });
  },
);

const URI =
  'otpauth://totp/bastion:laptop%40gate?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=bastion&algorithm=SHA1&digits=6&v=1&' +
  'door=gate&client=laptop&knocks=6&ports=1024-65535&exclude=22&protocols=tcp&order=any&timeout=10&period=30&window=1&host=127.0.0.1';
const PLAIN = /GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ/;
const env = {
  HOME: dir,
  XDG_CONFIG_HOME: join(dir, 'config'),
  XDG_STATE_HOME: join(dir, 'state'),
  XDG_RUNTIME_DIR: join(dir, 'run'),
  KNOCK_OTP_PASSPHRASE_FILE: join(root, 'passphrase'),
};
writeFileSync(env.KNOCK_OTP_PASSPHRASE_FILE, 'correct horse battery staple\n', { mode: 0o600 });
const profiles = join(dir, 'config', 'knock-otp', 'profiles');
const profile = join(profiles, 'bastion@gate.profile');
const add: Command = { argv: [...client, 'add', '-', '--as', 'bastion'], input: `${URI}\n`, env };

test(
  'when knock-otp add cannot write then the profile is there whole or not, and can be added again',
  patient,
  async (t) => {
    await walk(t, add, emptied, async (broken) => {
      assertTidy(profiles, ['bastion@gate.profile'], broken.fault);
      if (broken.code === 0) return assert.match(textOf(profile) ?? '', PLAIN, broken.fault);
      assertRefused(broken);
      if (existsSync(profile))
        assert.match(textOf(profile) ?? '', PLAIN, `${broken.fault}: a profile without its secret`);
      await mustRun(add.argv, { input: `${URI}\n`, env });
    });
  },
);

test('when knock-otp lock cannot write then the secret is there, open or locked, and not lost', patient, async (t) => {
  const prepare = await keptAfter(add);
  await walk(t, { argv: [...client, 'lock', 'bastion'], env }, prepare, async (broken) => {
    assertTidy(profiles, ['bastion@gate.profile'], broken.fault);
    if (broken.code !== 0) assertRefused(broken);
    if (PLAIN.test(textOf(profile) ?? '')) return assert.notEqual(broken.code, 0, `${broken.fault}: said to be locked`);
    await mustRun([...client, 'unlock', 'bastion'], { env });
    assert.match(textOf(profile) ?? '', PLAIN, `${broken.fault}: the secret is lost`);
  });
});

const allow = join(dir, 'hosts.allow');
const THEIRS = '# the administrator’s own\nsshd: 192.0.2.0/255.255.255.0\nALL: LOCAL\n';
const OURS = 'sshd: 198.51.100.7\n';

function administrators(): void {
  emptied();
  writeFileSync(allow, THEIRS, { mode: 0o640 });
  writeFileSync(join(dir, 'hosts.deny'), 'ALL: ALL\n');
  // Old enough: for a file that has just changed, the daemon waits.
  const before = Date.now() / 1000 - 60;
  utimesSync(allow, before, before);
}

for (const verb of ['add', 'remove'] as const) {
  test(
    `when a line of hosts.allow cannot be written (${verb}) then the administrator's lines are whole, and the next start has ours out`,
    verb === 'add' ? options : patient,
    async (t) => {
      const place = ['sshd', '198.51.100.7'];
      administrators();
      if (verb === 'remove') await mustRun([...wrapper, allow, 'add', ...place]);
      const kept = mkdtempSync(join(root, 'kept-'));
      cpSync(dir, kept, { recursive: true, preserveTimestamps: true });
      const prepare = () => {
        rmSync(dir, { recursive: true, force: true });
        cpSync(kept, dir, { recursive: true, preserveTimestamps: true });
      };
      await walk(t, { argv: [...wrapper, allow, verb, ...place] }, prepare, async (broken) => {
        const text = textOf(allow) ?? '';
        assert.ok(text === latin1(THEIRS) || text === latin1(THEIRS) + OURS, `${broken.fault}: ${text}`);
        assert.equal(statSync(allow).mode & 0o7777, 0o640, broken.fault);
        if (broken.code === 0) assert.equal(text.includes(OURS), verb === 'add', broken.fault);
        else assert.match(broken.stderr, /^error: FIREWALL /, broken.fault);
        await mustRun([...wrapper, allow, 'prepare']);
        assert.equal(textOf(allow), latin1(THEIRS), `${broken.fault}: after the next start`);
      });
    },
  );
}

/** In the form that textOf reads. */
function latin1(text: string): string {
  return Buffer.from(text).toString('latin1');
}
