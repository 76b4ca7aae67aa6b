/** Secrets under a passphrase: what opens them, what does not, and what is on the disk. */
import assert from 'node:assert/strict';
import { createDecipheriv } from 'node:crypto';
import { open, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { scrypt } from '@noble/hashes/scrypt.js';
import { run } from '../../../../client/cli/run.ts';
import { isSealed, seal, unseal } from '../../../../client/profiles/sealed-secret.ts';
import { derivationInfo } from '../../../../shared/derive.ts';
import {
  inHome,
  MARKER_SECRET,
  testDeps,
  testProfile,
  testUri,
  testWorld,
} from '../../../support/client/client-deps.ts';

const PASSPHRASE = 'correct horse battery';
const { secret, ...outline } = testProfile();

test('a sealed secret opens with its passphrase and names, and with nothing else', async () => {
  const sealed = await seal(secret, PASSPHRASE, outline);
  assert.ok(isSealed(sealed));
  assert.equal((await unseal(sealed, PASSPHRASE, outline))?.toBase32(), MARKER_SECRET);
  const [name = '', log2N, r, p, salt = '', nonce = '', body = ''] = sealed.split(':');
  const turned = (text: string) => `${text.startsWith('A') ? 'B' : 'A'}${text.slice(1)}`;
  const others = [
    [sealed, `${PASSPHRASE} `, outline, 'another passphrase'],
    [sealed, PASSPHRASE, { ...outline, door: 'web' }, 'the profile of another door'],
    [sealed, PASSPHRASE, { ...outline, server: 'other' }, 'the profile of another server'],
    [[name, log2N, r, p, turned(salt), nonce, body].join(':'), PASSPHRASE, outline, 'another salt'],
    [[name, log2N, r, p, salt, turned(nonce), body].join(':'), PASSPHRASE, outline, 'another nonce'],
    [[name, log2N, r, p, salt, nonce, turned(body)].join(':'), PASSPHRASE, outline, 'a changed secret'],
    [[name, 16, r, p, salt, nonce, body].join(':'), PASSPHRASE, outline, 'another cost'],
  ] as const;
  for (const [text, passphrase, around, why] of others) {
    assert.equal(await unseal(text, passphrase, around), undefined, why);
  }
  assert.notEqual((await seal(secret, PASSPHRASE, outline)).split(':')[4], salt, 'each time another salt');
});

test('when a file asks for more memory than a laptop has, or for none, then it is no sealed secret', () => {
  const tail = `8:1:${'A'.repeat(22)}:${'A'.repeat(16)}:${'A'.repeat(48)}`;
  assert.ok(isSealed(`scrypt:17:${tail}`));
  for (const cost of ['1', '13', '19', '30', '99', '017x']) assert.ok(!isSealed(`scrypt:${cost}:${tail}`), cost);
  for (const text of ['', 'scrypt', `scrypt:17:16:1:${tail.slice(4)}`, `scrypt:17:${tail}!`])
    assert.ok(!isSealed(text), text);
});

test('the format is what its comment says: scrypt of another library and the cipher alone open it', async () => {
  const sealed = await seal(secret, 'pass\u0065\u0301 phrase', outline);
  const [, , , , salt = '', nonce = '', body = ''] = sealed.split(':');
  const bytes = Buffer.from(body, 'base64url');
  // NFC: the letter and its accent are one character.
  const key = scrypt('pass\u00E9 phrase', Buffer.from(salt, 'base64url'), {
    N: 2 ** 17,
    r: 8,
    p: 1,
    dkLen: 32,
    maxmem: 2 ** 28,
  });
  const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(nonce, 'base64url'))
    .setAAD(Buffer.concat([Buffer.from('knock-otp sealed secret\0'), derivationInfo(outline, 0)]))
    .setAuthTag(bytes.subarray(-16));
  const opened = Buffer.concat([decipher.update(bytes.subarray(0, -16)), decipher.final()]);
  assert.deepEqual(opened, Buffer.from(secret.bytes()));
});

/** A user with a profile "work" under PASSPHRASE, who types commands. */
async function locked(body: (home: string, type: Type) => Promise<void>): Promise<void> {
  await inHome(async (home) => {
    const world = testWorld();
    const type: Type = async (words, { typed = [], stdin = '', env = {} } = {}) => {
      world.sent.length = 0;
      world.stdin = stdin;
      world.typed.splice(0, world.typed.length, ...typed);
      const { deps, outputs } = testDeps(world, home);
      const exit = await run(words.split(' '), { ...deps, env: { ...deps.env, ...env } });
      return { ...outputs, exit, sent: world.sent.length };
    };
    const added = await type('add - --as work --passphrase', {
      stdin: `${testUri()}\n`,
      typed: [PASSPHRASE, PASSPHRASE],
    });
    assert.equal(added.exit, 0, added.stderr);
    await body(home, type);
  });
}

type Type = (
  words: string,
  more?: { typed?: readonly string[]; stdin?: string; env?: Record<string, string> },
) => Promise<{ exit: number; stdout: string; stderr: string; sent: number }>;

async function everythingIn(folder: string): Promise<string> {
  const files = await readdir(folder, { recursive: true, withFileTypes: true });
  const texts = files
    .filter((each) => each.isFile())
    .map((each) => readFile(join(each.parentPath, each.name), 'latin1'));
  return `${files.map(({ name }) => name).join('\n')}\n${(await Promise.all(texts)).join('\n')}`;
}

test('when a profile is locked then its secret is nowhere on the disk, before and after a knock', async () => {
  await locked(async (home, type) => {
    assert.equal((await type('work', { typed: [PASSPHRASE] })).exit, 0);
    const disk = await everythingIn(home);
    assert.match(disk, /^sealed = scrypt:17:8:1:/m);
    for (const form of [MARKER_SECRET, '12345678901234567890', Buffer.from(secret.bytes()).toString('base64url')]) {
      assert.ok(!disk.includes(form), form);
    }
  });
});

test('when the passphrase is wrong three times then nothing is sent and no factor is used', async () => {
  await locked(async (home, type) => {
    const { exit, stderr, sent } = await type('work', { typed: ['wrong', 'wrong', 'wrong', PASSPHRASE] });
    assert.deepEqual([exit, sent], [2, 0]);
    assert.match(
      stderr,
      /wrong passphrase, try again\n.*wrong passphrase, try again\n.*error: wrong passphrase for "work"/s,
    );
    assert.deepEqual((await everythingIn(join(home, '.config/knock-otp'))).match(/^[0-9]{5,}$/gm), null);
    assert.equal((await type('work', { typed: ['wrong', PASSPHRASE] })).exit, 0);
  });
});

test('when there is no terminal then a private file or a descriptor holds the passphrase, and a file of all is refused', async () => {
  await locked(async (home, type) => {
    assert.match((await type('work')).stderr, /there is no terminal to ask for it/);
    const file = join(home, 'passphrase');
    await writeFile(file, `${PASSPHRASE}\nsecond line\n`, { mode: 0o600 });
    assert.equal((await type('work', { env: { KNOCK_OTP_PASSPHRASE_FILE: file } })).exit, 0);
    const handle = await open(file, 'r');
    const byFd = await type('work --timeout 100', { env: { KNOCK_OTP_PASSPHRASE_FD: `${handle.fd}` } });
    await handle.close();
    assert.equal(byFd.exit, 0, byFd.stderr);
    const shared = join(home, 'shared');
    await writeFile(shared, `${PASSPHRASE}\n`, { mode: 0o644 });
    const refused = await type('work', { env: { KNOCK_OTP_PASSPHRASE_FILE: shared } });
    assert.deepEqual([refused.exit, refused.sent], [2, 0]);
    assert.match(refused.stderr, /can be read by others/);
  });
});

test('when a new passphrase is short, or the second one differs, then nothing is changed', async () => {
  await locked(async (home, type) => {
    await type('unlock work', { typed: [PASSPHRASE] });
    const before = await everythingIn(home);
    assert.match((await type('lock work', { typed: ['short', 'short'] })).stderr, /8 characters or more/);
    assert.match(
      (await type('lock work', { typed: [PASSPHRASE, 'something else'] })).stderr,
      /differ: nothing was changed/,
    );
    assert.equal(await everythingIn(home), before);
  });
});

test('when two hosts are under one passphrase then it is asked for once', async () => {
  await locked(async (_, type) => {
    await type('add - --as other --passphrase', {
      stdin: `${testUri({ server: 'other' })}\n`,
      typed: [PASSPHRASE, PASSPHRASE],
    });
    const { exit, stdout } = await type('work other --all', { typed: [PASSPHRASE] });
    assert.equal(exit, 0);
    assert.match(stdout, /open: work.*\n.*open: other/);
  });
});
