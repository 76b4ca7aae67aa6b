/** The client's command line, in process: every word that it says, and that no secret is among them. */
import assert from 'node:assert/strict';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { run } from '../../client/cli/run.ts';
import { derivationKey, deriveSequence } from '../../shared/derive.ts';
import { profileShape } from '../../shared/formats/profile-uri.ts';
import { formatSequence } from '../../shared/knock.ts';
import { timeStepAt } from '../../shared/moving-factor.ts';
import { Secret } from '../../shared/secret.ts';
import {
  inHome,
  MARKER_SECRET,
  TEN_SECONDS_IN,
  testDeps,
  testProfile,
  testUri,
  testWorld,
} from '../support/client/client-deps.ts';
import { checkGolden, type Ran, type Runner } from '../support/documents/golden.ts';

const SCRIPTS = fileURLToPath(new URL('./client/', import.meta.url));

const URIS: Readonly<Record<string, string>> = {
  URI: testUri(),
  OTHER_URI: testUri({ secret: Secret.fromBytes(new Uint8Array(20).fill(7)) }),
  COMMAND_URI: testUri({ door: 'gate', services: [] }),
  HOTP_URI: testUri({ mode: 'hotp', step: 0, window: 0, counter: 0 }),
  HOSTLESS_URI: testUri().replace(`&host=${testProfile().host}`, ''),
  STRICT_URI: testUri({ door: 'list', order: 'strict', protocols: 'both', seqTimeout: 1 }),
  BOUND_URI: testUri({ bindsSource: true }),
  ONCE_URI: testUri({ opensOnce: true }),
  TRUNCATED_URI: testUri().replace(/&timeout=.*$/, ''),
};

const FILES: Readonly<Record<string, string>> = {
  LIST: Array.from({ length: 12 }, (_, at) => ` ${7001 + at},${8001 + at}:udp,${9001 + at}\n`).join(''),
  SHORT: '# one line\n 7001,8001,9001\n',
  BY_HAND: ' 1001,1002,1003\n 1003,1001,1002\n',
  DAMAGED: ' 7001,8001 9001\n 7002,8002,9002\n',
  OPEN_TO_ALL: ' 7001,8001,9001\n',
};

/** Files that belong to the person, and one that others can read. */
async function writeFiles(home: string): Promise<void> {
  await mkdir(join(home, 'lists'), { mode: 0o700 });
  for (const [name, text] of Object.entries(FILES)) {
    await writeFile(join(home, 'lists', name), text, { mode: name === 'OPEN_TO_ALL' ? 0o644 : 0o600 });
  }
}

/** Commands that share a home and a clock, as one person's do. */
function runner(home: string, world = testWorld()): Runner {
  return async (args, input): Promise<Ran> => {
    world.sent.length = 0;
    world.typed.splice(0, world.typed.length, ...Array.from({ length: 4 }, () => 'correct horse battery'));
    world.stdin = input === undefined ? '' : `${URIS[input] ?? input}\n`;
    const { deps, outputs } = testDeps(world, home);
    const word = (each: string) => URIS[each] ?? (each in FILES ? join(home, 'lists', each) : each);
    const exit = await run(args.map(word), deps);
    await new Promise(setImmediate);
    for (const { argv, env } of world.ran.splice(0)) outputs.stdout += `run: ${JSON.stringify({ argv, env })}\n`;
    return { ...outputs, exit };
  };
}

for (const script of (await readdir(SCRIPTS)).sort()) {
  test(`the program says what test/golden/client/${script} has`, async () => {
    await inHome(async (home) => {
      await writeFiles(home);
      await checkGolden(join(SCRIPTS, script), runner(home), (text) => text.replaceAll(home, '/home/me'));
    });
  });
}

test('whatever is run, neither the secret nor an unspent sequence is printed', async () => {
  await inHome(async (home) => {
    const world = testWorld();
    const play = runner(home, world);
    let said = '';
    const commands = [
      'add -',
      'add URI',
      'add OTHER_URI',
      'add TRUNCATED_URI',
      'add URI --host -x',
      'list',
      'list --json',
      'bastion1',
      'bastion1 -v',
      'bastion1 --json --timeout 1',
      'nobody',
      'URI',
      'remove URI',
      'show URI',
      'bastion1 --door URI',
      'bastion1 --door nope',
      'remove nobody',
      '--proxy bastion1 x',
      'show bastion1 --counter 4',
      'show bastion1 --code',
      'bastion1 7000 URI',
      'URI 7000',
      'bastion1 --one-time URI',
      'show bastion1 --one-time URI --as nc',
      'show bastion1 --as URI',
      'bastion1 --timeout URI',
      'bastion1 --verify=URI',
      'list URI',
      'bastion1 URI',
      'bastion1 bastion1 --all',
      'ssh URI',
      'exec URI -- true',
      'ssh-config',
      'ssh-config URI',
      'group add x bastion1',
      'group add URI bastion1',
      'group add x URI',
      'group list',
      'group remove URI',
      'remove bastion1',
      '--help',
    ];
    for (const command of commands) {
      const { stdout, stderr } = await play(command.split(' '), command === 'add -' ? 'URI' : undefined);
      said += stdout + stderr;
    }
    assert.ok(said.includes('open: bastion1'));
    assert.ok(!said.includes(MARKER_SECRET));
    const bytes = Secret.fromBase32(MARKER_SECRET).bytes();
    assert.ok(!said.includes('12345678901234567890') && !said.includes(Buffer.from(bytes).toString('hex')));
    const profile = testProfile();
    const present = timeStepAt(TEN_SECONDS_IN, 30);
    // The first three factors were sent; -v shows the second because it is spent by then.
    for (const factor of [present, present + 2, present + 3, present + 4]) {
      const sequence = deriveSequence(derivationKey(profile.secret), profile, factor, profileShape(profile));
      assert.ok(!said.includes(formatSequence(sequence)), `factor ${factor - present}`);
    }
  });
});

test('when nothing opens then DOOR_CLOSED is exit 1 with advice, in words and in JSON', async () => {
  await inHome(async (home) => {
    const play = runner(home, testWorld({ opensAfterPasses: 1e9 }));
    await play(['add', '-'], 'URI');
    const plain = await play(['bastion1'], undefined);
    assert.deepEqual([plain.exit, plain.stdout], [1, '']);
    assert.match(plain.stderr, /error: the door "ssh" of bastion1 did not open: no answer from 192\.0\.2\.1 tcp\/22/);
    assert.match(plain.stderr, /hint: compare this clock/);
    const json = await play(['bastion1', '--json', '--timeout', '120'], undefined);
    assert.equal(json.exit, 1);
    assert.deepEqual([JSON.parse(json.stdout).ok, JSON.parse(json.stdout).errors[0].code], [false, 'DOOR_CLOSED']);
  });
});
