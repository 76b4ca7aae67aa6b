/** The first configuration, the questions for it, the QR code of a profile, and durations as users write them. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { after, test } from 'node:test';
import { parseDuration } from '../../../../server/config/duration.ts';
import { readConfig } from '../../../../server/config/read-config.ts';
import { initialize } from '../../../../server/setup/init.ts';
import { qrCode } from '../../../../server/setup/qr.ts';
import { type Question, silentAsker, terminalAsker } from '../../../../server/setup/terminal-questions.ts';
import { parseProfileUri } from '../../../../shared/formats/profile-uri.ts';
import { readText } from '../../../support/host/stream-text.ts';

const root = mkdtempSync(join(tmpdir(), 'knock-otp-init-'));
after(() => rmSync(root, { recursive: true }));

for (const [text, seconds] of [
  ['90', 90],
  ['90s', 90],
  ['5m', 300],
  ['1h', 3_600],
  ['2d', 172_800],
  ['24d', 2_073_600],
  // Longer than Node's timers allow.
  ['25d', undefined],
  ['0', undefined],
  ['-5m', undefined],
  ['5 m', undefined],
  ['5M', undefined],
  ['1h30m', undefined],
  ['1e3', undefined],
  ['', undefined],
] as const) {
  test(`the duration ${JSON.stringify(text)} is ${seconds ?? 'refused'}`, () => {
    assert.equal(parseDuration(text), seconds);
  });
}

const QUESTION: Question = {
  text: 'which door?',
  usual: 'ssh',
  wrong: (answer) => (/^[a-z]+$/.test(answer) ? undefined : 'letters only'),
};

async function asked(typed: string): Promise<{ answer: string | undefined; said: string; error?: unknown }> {
  const [input, output] = [new PassThrough(), new PassThrough()];
  const asker = terminalAsker(input, output);
  input.end(typed);
  try {
    return { answer: await asker.ask(QUESTION), said: readText(output) };
  } catch (error) {
    return { answer: undefined, said: readText(output), error };
  } finally {
    asker.close();
  }
}

test('an empty line takes what is usual, and the question says what that is', async () => {
  const { answer, said } = await asked('\n');
  assert.equal(answer, 'ssh');
  assert.match(said, /which door\? \[ssh\]/);
});

test('when an answer will not do then it says why and asks again', async () => {
  const { answer, said } = await asked('1\nweb\n');
  assert.equal(answer, 'web');
  assert.match(said, /letters only/);
});

test('when nobody answers, or only nonsense comes, then it gives up instead of asking for ever', async () => {
  for (const typed of ['', '1\n2\n3\n4\n5\n6\n7\nweb\n']) {
    const { answer, error } = await asked(typed);
    assert.equal(answer, undefined);
    assert.equal((error as { code?: string }).code, 'USAGE');
  }
});

test('what init writes is a sound configuration, and the URI is the client that it enrolled', async () => {
  const file = join(root, 'a', 'knock-otp.conf');
  const folders = { stateDir: join(root, 'a', 'state'), clientsDir: join(root, 'a', 'clients') };
  const made = await initialize(
    file,
    { interface: 'eth0, wg0', server: 'b1', open: 'iptables tcp/22, udp/51820', host: '2001:db8::1', ...folders },
    silentAsker,
  );
  const config = await readConfig(file);
  assert.deepEqual(config.interfaces, ['eth0', 'wg0']);
  assert.equal(config.serverId, 'b1');
  assert.equal(config.doors.length, 1);
  const profile = parseProfileUri(made.uri);
  assert.deepEqual(
    [profile.server, profile.door, profile.client, profile.host],
    ['b1', 'ssh', 'laptop', '2001:db8::1'],
  );
  assert.match(readFileSync(made.files.secret, 'utf8'), /secret/);
});

test('when a file is there already then init touches nothing', async () => {
  const file = join(root, 'mine.conf');
  writeFileSync(file, 'mine\n');
  await assert.rejects(initialize(file, {}, silentAsker), { code: 'USAGE' });
  assert.equal(readFileSync(file, 'utf8'), 'mine\n');
});

test('when the client cannot be enrolled then no configuration is left behind', async () => {
  const file = join(root, 'b', 'knock-otp.conf');
  writeFileSync(join(root, 'no-folder'), '');
  const folders = { stateDir: join(root, 'b', 'state'), clientsDir: join(root, 'no-folder', 'clients') };
  await assert.rejects(initialize(file, folders, silentAsker));
  assert.throws(() => readFileSync(file), { code: 'ENOENT' });
});

for (const [what, flags] of [
  ['a line break in the interface', { interface: 'eth0\nlogfile = /etc/passwd' }],
  ['a door that is no name', { door: 'a b' }],
  ['a firewall that is none', { open: 'sesame tcp/22' }],
  ['a host with a blank', { host: 'a b' }],
  ['a client with a slash', { client: '../x' }],
] as const) {
  test(`init refuses ${what}, and writes nothing`, async () => {
    const file = join(root, 'c', 'knock-otp.conf');
    await assert.rejects(initialize(file, flags, silentAsker), { code: 'USAGE' });
    assert.throws(() => readFileSync(file), { code: 'ENOENT' });
  });
}

test('the QR code is a square of half blocks that fits a terminal of 80 columns', async () => {
  const uri = `otpauth://totp/bastion1:laptop?secret=${'A'.repeat(32)}&issuer=bastion1&door=ssh&client=laptop&host=bastion1.example.org&services=tcp%2F22`;
  const lines = (await qrCode(uri)).split('\n').filter((line) => line !== '');
  const [width = 0] = new Set(lines.map((line) => [...line].length));
  assert(width > 40 && width <= 80, `${width}`);
  assert(Math.abs(lines.length * 2 - width) <= 1);
});
