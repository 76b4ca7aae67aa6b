/**
 * Completion in bash, zsh and fish, by one table: the offers of each shell at the end of a line, with names from
 * profiles that the client wrote. A strange file name among the profiles is never executed, and no file with a secret
 * is opened.
 */
import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { run } from '../../../client/cli/run.ts';
import { runCli } from '../../../server/cli.ts';
import { inHome, testDeps, testUri, testWorld } from '../../support/client/client-deps.ts';
import { offered, type ShellName, skipWithout } from '../../support/client/shell-completion.ts';
import { readText } from '../../support/host/stream-text.ts';

const SHELLS: readonly ShellName[] = ['bash', 'zsh', 'fish'];

/** All offers, in any order; an ellipsis allows more. */
type Row = readonly [line: string, want: string, why: string];

const CLIENT: readonly Row[] = [
  ['knock-otp b', 'b1 bastion1', 'hosts'],
  ['knock-otp s', 'show ssh ssh-config', 'commands'],
  ['knock-otp w', 'work', 'a group'],
  ['knock-otp b1 ba', 'bastion1', 'more hosts'],
  ['knock-otp b1 sh', '', 'behind a host there is no command'],
  ['knock-otp knock ba', 'bastion1', 'a host of a command'],
  ['knock-otp ssh ', 'b1 bastion1 work', 'hosts only'],
  ['knock-otp ssh admin@ba', 'admin@bastion1', 'a host behind a user'],
  ['knock-otp ssh admin@', 'admin@b1 admin@bastion1 admin@work', 'every host behind a user'],
  ['knock-otp ssh --', '--again --door --help --timeout --verbose …', 'our options'],
  ['knock-otp ssh bastion1 --', '…', "what follows the host is ssh's"],
  ['knock-otp --ver', '--verbose --verify --version', 'options of the program'],
  ['knock-otp b1 --no-v', '--no-verify', 'behind a host too'],
  ['knock-otp list --', '--help --json …', 'a command has its own options'],
  ['knock-otp --door ', 'ssh web', 'doors'],
  ['knock-otp --door w', 'web', 'a door that begins so'],
  ['knock-otp --door=w', 'web', 'the value in the same word'],
  ['knock-otp --door web ba', 'bastion1', 'a value is no host'],
  ['knock-otp --door=web ba', 'bastion1', 'nor in the same word'],
  ['knock-otp group ', 'add list remove', 'commands of a command'],
  ['knock-otp group remove ', 'work', 'groups'],
  ['knock-otp group add new ', 'b1 bastion1', 'profiles, and no group'],
  ['knock-otp show --as ', 'bash hping3 nc nmap powershell', 'choices'],
  ['knock-otp show b1 --as n', 'nc nmap', 'a choice that begins so'],
  ['knock-otp completion ', 'bash fish zsh', 'choices of an argument'],
  ['knock-otp --one-time li', 'list.txt', 'a file'],
  ['knock-otp --timeout ', '', "a number is the user's"],
  ['knock-otp exec b1 -- knock-only-h', 'knock-only-here', 'a program'],
];

const SERVER: readonly Row[] = [
  ['knock-otpd en', 'enroll', 'a command'],
  ['knock-otpd status --', '--config --debug --json …', "a command's options, and those of the program"],
  ['knock-otpd -c li', 'list.txt', 'a file'],
  ['knock-otpd -c list.txt en', 'enroll', 'a command behind an option'],
  ['knock-otpd init --state-dir fo', 'folder', 'a folder'],
  ['knock-otpd sequences --protocols ', 'both tcp udp', 'choices'],
  ['knock-otpd -i an', 'any', 'interfaces'],
  ['knock-otpd status -i an', 'any', 'also behind a command'],
  ['knock-otpd confirm --tr', '', 'an option of another command'],
];

/** For the small example program, whose completion script a golden file shows. */
const SMALL: readonly Row[] = [
  ['tea-pot ', 'black blue run shelf', 'commands, and words of a list'],
  ['tea-pot b', 'black blue', 'words that begin so'],
  ['tea-pot blue b', 'black blue', 'more of them'],
  ['tea-pot --tea ', 'assam green', 'choices of an option'],
  ['tea-pot --config li', 'list.txt', 'a file'],
  ['tea-pot shelf ', 'put take', 'commands of a command'],
  ['tea-pot shelf put ', 'low top', 'choices of an argument'],
  ['tea-pot shelf take --into fo', 'folder', 'a folder'],
  ['tea-pot shelf take bl', 'black blue', 'a list by command and name'],
  ['tea-pot run knock-only-h', 'knock-only-here', 'a program'],
  ['tea-pot --se', '', 'no option that is hidden'],
];

async function scriptOf(program: string, shell: ShellName, home: string): Promise<string> {
  if (program === 'tea-pot')
    return await readFile(new URL(`../../golden/completion/tea-pot.${shell}`, import.meta.url), 'utf8');
  if (program === 'knock-otp') {
    const { deps, outputs } = testDeps(testWorld(), home);
    assert.equal(await run(['completion', shell], deps), 0);
    return outputs.stdout;
  }
  const stdout = new PassThrough();
  assert.equal(await runCli(['completion', shell], { version: '1', stdout, stderr: process.stderr }), 0);
  return readText(stdout);
}

/** Makes a home with three profiles, a group, and files with dangerous names. */
async function furnish(home: string): Promise<void> {
  const type = async (...words: string[]) => {
    const { deps, outputs } = testDeps(testWorld(), home);
    assert.equal(await run(words, deps), 0, outputs.stderr);
  };
  await type('add', testUri(), '--as', 'bastion1');
  await type('add', testUri({ door: 'web' }), '--as', 'bastion1');
  await type('add', testUri({ server: 'b1' }), '--as', 'b1');
  await type('group', 'add', 'work', 'b1', 'bastion1');
  const folder = join(home, '.config/knock-otp/profiles');
  for (const name of ['$(touch pwned)', '`touch pwned`', 'a b', '-rf', 'x;y', '*', "it's"]) {
    await writeFile(join(folder, `${name}@ssh.profile`), '', { mode: 0o600 });
  }
  await mkdir(join(home, 'bin'));
  for (const name of ['knock-only-here', 'knock-otp', 'knock-otpd', 'tea-pot']) {
    await writeFile(join(home, 'bin', name), '#!/bin/sh\ntouch started\n');
    await chmod(join(home, 'bin', name), 0o755);
  }
  await writeFile(join(home, 'list.txt'), '');
  await mkdir(join(home, 'folder'));
  // Replaces each profile by a folder, so that no completion can read a secret: root could read any file.
  for (const file of await readdir(folder)) {
    const path = join(folder, file);
    if ((await stat(path)).size > 0) {
      await rename(path, join(home, file));
      await mkdir(path);
    }
  }
}

for (const shell of SHELLS) {
  for (const [program, rows] of [
    ['knock-otp', CLIENT],
    ['knock-otpd', SERVER],
    ['tea-pot', SMALL],
  ] as const) {
    test(`${shell} completes ${program}`, { skip: skipWithout(shell), timeout: 60_000 }, async () => {
      await inHome(async (home) => {
        await furnish(home);
        const script = await scriptOf(program, shell, home);
        const env = { PATH: `${join(home, 'bin')}:${process.env['PATH']}` };
        const all = await offered(
          rows.map(([line]) => line),
          { shell, script, home, env },
        );
        for (const [at, [line, want, why]] of rows.entries()) {
          const seen = new Set(all[at]);
          const words = want.split(' ').filter((word) => word !== '');
          const message = `"${line}" (${why}): ${[...seen].join(' ')}`;
          if (words.at(-1) !== '…') assert.deepEqual([...seen].sort(), words.sort(), message);
          else for (const word of words.slice(0, -1)) assert.ok(seen.has(word), message);
          if (line === 'knock-otp ssh bastion1 --') assert.ok(!seen.has('--again'), message);
        }
        const there = await readdir(home);
        assert.ok(!there.includes('pwned') && !there.includes('started'), 'nothing was run');
      });
    });
  }
}

test('when a relative XDG_CONFIG_HOME is set then the shells look where the client looks', async (t) => {
  const shell = SHELLS.find((each) => skipWithout(each) === false);
  if (shell === undefined) return t.skip('no shell here');
  await inHome(async (home) => {
    await furnish(home);
    await rename(join(home, '.config'), join(home, 'elsewhere'));
    const script = await scriptOf('knock-otp', shell, home);
    const ask = async (folder: string) =>
      (await offered(['knock-otp ssh '], { shell, script, home, env: { XDG_CONFIG_HOME: folder } }))[0];
    assert.deepEqual([...((await ask(join(home, 'elsewhere'))) ?? [])].sort(), ['b1', 'bastion1', 'work']);
    assert.deepEqual(await ask('elsewhere'), []);
  });
});
