/** Client files that are written and removed: enrolling, replacing and revoking a client. */
import assert from 'node:assert/strict';
import { lstat, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { readClients } from '../../../../../server/config/clients/client-files.ts';
import { generateSecret, removeClient, writeClient } from '../../../../../server/config/clients/client-writes.ts';
import { loadServer } from '../../../../../server/config/load-server.ts';
import { readConfig } from '../../../../../server/config/read-config.ts';
import { KnockError } from '../../../../../shared/errors.ts';
import { Secret } from '../../../../../shared/secret.ts';
import { fresh, RFC_SECRET, refused, SOUND } from '../../../../support/core/client-directory.ts';
import { doorText } from '../../../../support/core/config-text.ts';

test('when a client is written then the file is 0600 in a directory 0700 that is made', async (context) => {
  const directory = await fresh(context);
  await rm(directory.clientsDir, { recursive: true });
  const config = await readConfig(directory.file);
  const before = process.umask(0);
  context.after(() => process.umask(before));
  const { file } = await writeClient(config, { client: 'phone', door: 'web', secret: Secret.fromBase32(RFC_SECRET) });
  assert.equal((await stat(file)).mode & 0o7777, 0o600);
  assert.equal((await stat(directory.clientsDir)).mode & 0o7777, 0o700);
  assert.deepEqual(await readdir(directory.clientsDir), ['phone.client']);
  assert.match(await readFile(file, 'utf8'), new RegExp(`^# .*\n\n\\[web\\]\nsecret = ${RFC_SECRET}\n$`));
});

test('when a client is enrolled already then its secret stays unless it is to be replaced', async (context) => {
  const directory = await fresh(context);
  const config = await readConfig(directory.file);
  const first = await writeClient(config, { client: 'laptop', door: 'ssh', secret: generateSecret() });
  await writeClient(config, { client: 'laptop', door: 'web', secret: generateSecret() });
  const again = { client: 'laptop', door: 'ssh', secret: generateSecret() };
  const [code, [line]] = await refused(directory, () => writeClient(config, again));
  assert.deepEqual([code, line], ['USAGE', 'laptop is enrolled at door [ssh] already']);
  const keyIdAt = async (door: string): Promise<string | undefined> => {
    await directory.putClient('phone.client', `[ssh]\nsecret = ${RFC_SECRET}\n`);
    return (await readClients(config)).find((one) => one.door === door && one.client === 'laptop')?.keyId;
  };
  assert.equal(await keyIdAt('ssh'), first.enrolment.keyId);
  const web = await keyIdAt('web');
  const { enrolment } = await writeClient(config, { ...again, replace: true });
  assert.notEqual(enrolment.keyId, first.enrolment.keyId);
  assert.equal(await keyIdAt('ssh'), enrolment.keyId);
  assert.equal(await keyIdAt('web'), web, 'the other door keeps its secret');
});

const unwritable: readonly { client: string; door: string; says: string; why: string }[] = [
  { client: '../evil', door: 'web', says: '"../evil" is not a name for a client', why: 'path traversal' },
  { client: '.hidden', door: 'web', says: '".hidden" is not a name for a client', why: 'it would not be listed' },
  { client: 'a\nb', door: 'web', says: '"a\nb" is not a name for a client', why: 'line breaks' },
  { client: '', door: 'web', says: '"" is not a name for a client', why: 'no name' },
  { client: 'laptop', door: 'wbe', says: 'there is no door "wbe" in knock-otpd.conf', why: 'no such door' },
  {
    client: 'tablet',
    door: 'ssh',
    says: 'door [ssh] lists its clients, and tablet is not among them',
    why: 'it could not knock',
  },
];

for (const { client, door, says, why } of unwritable) {
  test(`when ${JSON.stringify(client)} is to be enrolled at ${door} then it is refused (${why})`, async (context) => {
    const directory = await fresh(context);
    const config = await readConfig(directory.file);
    assert.deepEqual(await refused(directory, () => writeClient(config, { client, door, secret: generateSecret() })), [
      'USAGE',
      [says],
    ]);
    assert.deepEqual(await readdir(directory.clientsDir), []);
  });
}

test('when a client of a door that is gone for a while gets a new secret then the old door keeps its own', async (context) => {
  const directory = await fresh(context, doorText('ssh'));
  const path = await directory.putClient('laptop.client', `[old]\nsecret = ${RFC_SECRET}\n`);
  const config = await readConfig(directory.file);
  await writeClient(config, { client: 'laptop', door: 'ssh', secret: generateSecret() });
  assert.match(await readFile(path, 'utf8'), new RegExp(`\\[old\\]\nsecret = ${RFC_SECRET}`));
});

test('when a client is revoked everywhere then doors that are gone for a while are not forgotten', async (context) => {
  const directory = await fresh(context, doorText('ssh'));
  const path = await directory.putClient(
    'laptop.client',
    `[old]\nsecret = ${RFC_SECRET}\n[ssh]\nsecret = ${RFC_SECRET}\n`,
  );
  const config = await readConfig(directory.file);
  assert.deepEqual(await removeClient(config, 'laptop'), ['ssh', 'doors that are not configured']);
  await assert.rejects(stat(path), { code: 'ENOENT' });
});

test('when a listed client is revoked then the daemon still starts, and the client is gone', async (context) => {
  const directory = await fresh(context);
  const config = await readConfig(directory.file);
  for (const client of ['laptop', 'phone']) {
    await writeClient(config, { client, door: 'ssh', secret: generateSecret() });
  }
  await writeClient(config, { client: 'phone', door: 'web', secret: generateSecret() });
  assert.deepEqual(await removeClient(config, 'phone'), ['ssh', 'web']);
  assert.match(await readFile(join(directory.clientsDir, 'phone.client'), 'utf8'), /\n\[ssh\]\nrevoked\n$/);
  const { enrolments, warnings } = await loadServer(directory.file);
  assert.deepEqual(
    enrolments.map(({ door, client }) => [door, client]),
    [['ssh', 'laptop']],
  );
  assert.ok(warnings.some(({ message }) => message === 'phone is revoked'));
  await writeClient(config, { client: 'phone', door: 'ssh', secret: generateSecret() });
  assert.equal((await readClients(config)).length, 2);
});

test('when a client is revoked at its only door, which does not list it, then no file is left', async (context) => {
  const directory = await fresh(context, doorText('ssh'));
  const config = await readConfig(directory.file);
  await writeClient(config, { client: 'laptop', door: 'ssh', secret: generateSecret() });
  assert.deepEqual(await removeClient(config, 'laptop', 'ssh'), ['ssh']);
  assert.deepEqual(await readdir(directory.clientsDir), []);
  assert.deepEqual(await refused(directory, () => removeClient(config, 'laptop')), [
    'USAGE',
    ['laptop is not enrolled at any door'],
  ]);
});

test('when a file is one that others can read then revoking the client still works', async (context) => {
  const directory = await fresh(context);
  const config = await readConfig(directory.file);
  await directory.putClient('laptop.client', SOUND, 0o666);
  await assert.rejects(
    writeClient(config, { client: 'laptop', door: 'web', secret: generateSecret() }),
    (error) => error instanceof KnockError && error.code === 'INSECURE_FILE',
  );
  assert.deepEqual(await removeClient(config, 'laptop'), ['ssh', 'web']);
  const left = join(directory.clientsDir, 'laptop.client');
  assert.doesNotMatch(await readFile(left, 'utf8'), /secret/);
  assert.equal((await stat(left)).mode & 0o777, 0o600);
});

test('when a file is a link then revoking removes the link and not what it points to', async (context) => {
  const directory = await fresh(context);
  const config = await readConfig(directory.file);
  const target = join(directory.root, 'elsewhere');
  await writeFile(target, SOUND, { mode: 0o600 });
  const path = join(directory.clientsDir, 'laptop.client');
  await symlink(target, path);
  await removeClient(config, 'laptop');
  assert.equal(await readFile(target, 'utf8'), SOUND);
  assert.ok((await lstat(path)).isFile());
});

test('when the directory cannot be written then that is an error of the store', async (context) => {
  const directory = await fresh(context, doorText('ssh'));
  const config = { ...(await readConfig(directory.file)), clientsDir: join(directory.file, 'clients') };
  await assert.rejects(
    writeClient(config, { client: 'laptop', door: 'ssh', secret: generateSecret() }),
    (error) => error instanceof KnockError && ['STORE', 'CONFIG_INVALID'].includes(error.code),
  );
});
