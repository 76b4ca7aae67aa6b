import assert from 'node:assert/strict';
import { chmod, chown, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { readClients } from '../../../../../server/config/clients/client-files.ts';
import { generateSecret, writeClient } from '../../../../../server/config/clients/client-writes.ts';
import { loadServer } from '../../../../../server/config/load-server.ts';
import { readConfig } from '../../../../../server/config/read-config.ts';
import { type ErrorCode, formatProblem } from '../../../../../shared/errors.ts';
import { fresh, RFC_SECRET, refused, SOUND, TWO_DOORS } from '../../../../support/core/client-directory.ts';
import { doorText } from '../../../../support/core/config-text.ts';

test('when both clients of a door are enrolled then each has a key and an id of its own', async (context) => {
  const directory = await fresh(context);
  const config = await readConfig(directory.file);
  const one = await writeClient(config, { client: 'laptop', door: 'ssh', secret: generateSecret() });
  await writeClient(config, { client: 'phone', door: 'ssh', secret: generateSecret() });
  await writeClient(config, { client: 'anyone', door: 'web', secret: generateSecret() });
  const enrolments = await readClients(config);
  assert.deepEqual(
    enrolments.map(({ door, client }) => [door, client]),
    [
      ['web', 'anyone'],
      ['ssh', 'laptop'],
      ['ssh', 'phone'],
    ],
  );
  assert.equal(new Set(enrolments.map(({ keyId }) => keyId)).size, 3);
  for (const { keyId } of enrolments) assert.match(keyId, /^[0-9a-f]{16}$/);
  assert.deepEqual(enrolments[1], one.enrolment);
  assert.equal(one.file, join(directory.clientsDir, 'laptop.client'));
});

test('when a secret is known then its key id is that of HKDF under its own label', async (context) => {
  const directory = await fresh(context, doorText('ssh'));
  await directory.putClient('laptop.client', `[ssh]\nsecret = ${RFC_SECRET.toLowerCase()}\n`);
  const [enrolment] = await readClients(await readConfig(directory.file));
  const { createHmac } = await import('node:crypto');
  const prk = createHmac('sha256', 'knock-otp/1').update('12345678901234567890').digest();
  const okm = createHmac('sha256', prk).update('knock-otp/1 key id').update(Uint8Array.of(1)).digest();
  assert.equal(enrolment?.keyId, okm.subarray(0, 8).toString('hex'));
  assert.deepEqual(enrolment?.key, Uint8Array.from(prk));
});

const badFiles: readonly { text: string; mode?: number; code: ErrorCode; says: RegExp; why: string }[] = [
  { text: SOUND, mode: 0o640, code: 'INSECURE_FILE', says: /its group can read .*0640.*chmod 600/, why: 'group' },
  { text: SOUND, mode: 0o604, code: 'INSECURE_FILE', says: /others can read .*0604.*chmod 600/, why: 'others' },
  { text: SOUND, mode: 0o620, code: 'INSECURE_FILE', says: /its group can change .*0620.*chmod 600/, why: 'writable' },
  { text: '[ssh]\n', code: 'CONFIG_INVALID', says: /:1: \[ssh\]: the secret is missing/, why: 'an empty section' },
  { text: '[ssh]\nsecret =\n', code: 'CONFIG_INVALID', says: /:2: \[ssh\]: the secret is missing/, why: 'no value' },
  { text: '[ssh]\nsecret\n', code: 'CONFIG_INVALID', says: /:2: \[ssh\]: the secret is missing/, why: 'no =' },
  { text: '[ssh]\nsecret = 018\n', code: 'CONFIG_INVALID', says: /:2: .*not base32/, why: 'not base32' },
  { text: '[ssh]\nsecret = GEZDGNBV\n', code: 'CONFIG_INVALID', says: /16 to 64 bytes, found 5/, why: 'too short' },
  { text: `${SOUND}secret = ${RFC_SECRET}`, code: 'CONFIG_INVALID', says: /:3: .*line 2/, why: 'two secrets' },
  { text: `${SOUND}[ssh]\nsecret = ${RFC_SECRET}`, code: 'CONFIG_INVALID', says: /:3: .*line 1/, why: 'two sections' },
  { text: `${SOUND}step = 3`, code: 'CONFIG_INVALID', says: /:3: \[ssh\]: this key is not known/, why: 'another key' },
  {
    text: `${SOUND}[shs]\n`,
    code: 'CONFIG_INVALID',
    says: /:3: the secret is missing/,
    why: 'an empty section of no door',
  },
  { text: 'secret = x\n', code: 'CONFIG_INVALID', says: /:1: a line before any section/, why: 'no section' },
  { text: `#${'x'.repeat(300_000)}`, code: 'CONFIG_INVALID', says: /longer than 262144 bytes/, why: 'too long' },
];

for (const { text, mode, code, says, why } of badFiles) {
  test(`when a client file is bad (${why}) then it is the one problem and yields nothing`, async (context) => {
    const directory = await fresh(context, doorText('ssh', 'clients = laptop'));
    await directory.putClient('laptop.client', text, mode);
    const [found, lines] = await refused(directory, () => loadServer(directory.file));
    assert.equal(found, code);
    assert.equal(lines.length, 1, lines.join('\n'));
    assert.match(lines[0] ?? '', says);
    assert.match(lines[0] ?? '', /^clients\/laptop\.client/);
  });
}

test('when a client file is not UTF-8 then it is refused', async (context) => {
  const directory = await fresh(context, doorText('ssh'));
  await writeFile(join(directory.clientsDir, 'laptop.client'), Uint8Array.of(0x5b, 0xff), { mode: 0o600 });
  assert.match((await refused(directory, () => loadServer(directory.file)))[1][0] ?? '', /not UTF-8/);
});

test('when a client file is a symbolic link then it is refused, wherever it points', async (context) => {
  const directory = await fresh(context, doorText('ssh'));
  await writeFile(join(directory.root, 'elsewhere'), SOUND, { mode: 0o600 });
  await symlink(join(directory.root, 'elsewhere'), join(directory.clientsDir, 'laptop.client'));
  const [code, lines] = await refused(directory, () => loadServer(directory.file));
  assert.deepEqual([code, lines.length], ['INSECURE_FILE', 1]);
  assert.match(lines[0] ?? '', /symbolic link/);
});

test('when a client file is a directory or a pipe then it is refused without waiting', async (context) => {
  const directory = await fresh(context, doorText('ssh'));
  await mkdir(join(directory.clientsDir, 'laptop.client'));
  const { execFileSync } = await import('node:child_process');
  execFileSync('mkfifo', ['-m', '600', join(directory.clientsDir, 'phone.client')]);
  const [, lines] = await refused(directory, () => loadServer(directory.file));
  assert.deepEqual(lines, [
    'clients/laptop.client: it is not a regular file',
    'clients/phone.client: it is not a regular file',
  ]);
});

test('when a client file belongs to another user then it is refused', async (context) => {
  const directory = await fresh(context, doorText('ssh'));
  const path = await directory.putClient('laptop.client', SOUND);
  try {
    await chown(path, 12_345, 12_345);
  } catch (error) {
    // Needs root; in a user namespace, also a second user.
    context.skip(`files cannot be given away here: ${(error as Error).message}`);
    return;
  }
  const [code, lines] = await refused(directory, () => loadServer(directory.file));
  assert.equal(code, 'INSECURE_FILE');
  assert.match(lines[0] ?? '', /belongs to user 12345/);
});

test('when others can write to the directory then it is refused, and when they can list it that is said', async (context) => {
  const directory = await fresh(context, doorText('ssh'));
  await directory.putClient('laptop.client', SOUND);
  await chmod(directory.clientsDir, 0o755);
  const { warnings, enrolments } = await loadServer(directory.file);
  assert.equal(enrolments.length, 1);
  assert.match(warnings[0]?.message ?? '', /others can read it \(mode 0755\)/);
  await chmod(directory.clientsDir, 0o770);
  const [code, lines] = await refused(directory, () => loadServer(directory.file));
  assert.equal(code, 'INSECURE_FILE');
  assert.equal(lines.length, 1, 'its clients are not called missing');
});

test('when others can write to the configuration then it is refused', async (context) => {
  const directory = await fresh(context);
  await chmod(directory.file, 0o666);
  const [code, lines] = await refused(directory, () => readConfig(directory.file));
  assert.equal(code, 'INSECURE_FILE');
  assert.match(lines[0] ?? '', /others can .*chmod go-w/);
});

test('when there is no configuration then that is the one problem', async (context) => {
  const directory = await fresh(context);
  await rm(directory.file);
  assert.deepEqual((await refused(directory, () => loadServer(directory.file)))[1], [
    'there is no such file (hint: docs/CONFIG.md begins with a working one)',
  ]);
});

test('when the configuration and the clients are wrong then everything is said together', async (context) => {
  const directory = await fresh(context, `${TWO_DOORS}nocks = 3\n`);
  await directory.putClient('laptop.client', '[ssh]\nsecret = 1\n');
  await directory.putClient('tablet.client', SOUND, 0o644);
  await directory.putClient('-x.client', SOUND);
  const [code, lines] = await refused(directory, () => loadServer(directory.file));
  assert.equal(code, 'CONFIG_INVALID');
  const expected = [
    /^12: \[web\] nocks: .*mean knocks/,
    /^\[ssh\] clients: phone is not enrolled: there is no clients\/phone\.client \(hint: knock-otpd enroll phone --door ssh/,
    /^clients\/-x\.client: it is not named after a client/,
    /^clients\/laptop\.client:2: \[ssh\]: the secret is not base32/,
    /^clients\/tablet\.client: others can read/,
  ];
  assert.equal(lines.length, expected.length, lines.join('\n'));
  for (const [at, pattern] of expected.entries()) assert.match(lines[at] ?? '', pattern);
});

test('when a client has a file but no secret for a door that lists it then that is a problem', async (context) => {
  const directory = await fresh(
    context,
    doorText('ssh', 'clients = laptop') + doorText('web', 'open = nftables tcp/1'),
  );
  await directory.putClient('laptop.client', `[web]\nsecret = ${RFC_SECRET}\n`);
  const [, lines] = await refused(directory, () => loadServer(directory.file));
  assert.match(lines[0] ?? '', /laptop has no secret for this door in clients\/laptop\.client/);
});

test('when files are there that nobody asked for then they yield no enrolment, and it is said', async (context) => {
  const directory = await fresh(context, doorText('ssh', 'clients = laptop'));
  await directory.putClient('laptop.client', SOUND);
  await directory.putClient('guest.client', SOUND);
  await directory.putClient('laptop.client~', SOUND);
  await directory.putClient('.swap', SOUND);
  const { enrolments, warnings } = await loadServer(directory.file);
  assert.deepEqual(
    enrolments.map(({ client }) => client),
    ['laptop'],
  );
  const lines = warnings.map((warning) => formatProblem(warning).replaceAll(`${directory.root}/`, ''));
  assert.deepEqual(lines, [
    'clients/laptop.client~: it is not a .client file and is ignored (hint: copies hold secrets)',
    'clients/guest.client: [ssh]: it has a secret for a door whose "clients" do not name guest (hint: it cannot knock there)',
  ]);
});

test('when a client file names a door that is no longer configured then it is said, and the other doors work', async (context) => {
  const directory = await fresh(context, doorText('ssh', 'clients = laptop'));
  const text = `[old]\nsecret = ${RFC_SECRET}\n[ssh]\nsecret = ${RFC_SECRET}\n`;
  const path = await directory.putClient('laptop.client', text);
  const { enrolments, warnings } = await loadServer(directory.file);
  assert.deepEqual(
    enrolments.map(({ door, client }) => `${client} at ${door}`),
    ['laptop at ssh'],
  );
  const said = warnings.map((warning) => formatProblem(warning)).filter((line) => line.includes('not have'));
  assert.deepEqual(said, [
    `${path}:1: a section for a door that the configuration does not have (hint: doors are: ssh)`,
  ]);
});

test('when a client has a secret for a door whose sequences are written down then it is said and not used', async (context) => {
  const directory = await fresh(context, doorText('ssh', 'sequence = 7000,8000,9000'));
  await directory.putClient('laptop.client', `[ssh]\nsecret = ${RFC_SECRET}\n`);
  const { enrolments, warnings } = await loadServer(directory.file);
  assert.deepEqual(enrolments, []);
  assert.ok(warnings.some(({ message }) => /with written-down sequences/.test(message)));
  const config = await readConfig(directory.file);
  const write = writeClient(config, { client: 'phone', door: 'ssh', secret: generateSecret() });
  await assert.rejects(write, {
    code: 'USAGE',
    message: 'the sequences of door [ssh] are written down: it has no clients',
  });
});

test('when two clients have one secret then it is said', async (context) => {
  const directory = await fresh(context, doorText('ssh'));
  await directory.putClient('a.client', SOUND);
  await directory.putClient('b.client', SOUND);
  const { enrolments, warnings } = await loadServer(directory.file);
  assert.equal(enrolments.length, 2);
  assert.match(warnings[0]?.message ?? '', /a and b share one secret/);
});
