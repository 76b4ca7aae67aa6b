/** The short way into a knock (run.ts) gives the same result as the grammar. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createProgram, runCommandLine } from '../../../../client/cli/program.ts';
import { plainKnock, run } from '../../../../client/cli/run.ts';
import { COMMAND_NAMES } from '../../../../client/terminal/command-names.ts';
import { exitCodeOf, KnockError } from '../../../../shared/errors.ts';
import { inHome, testDeps, testUri, testWorld } from '../../../support/client/client-deps.ts';

interface Case {
  readonly argv: readonly string[];
  readonly why: string;
}

const PLAIN: readonly Case[] = [
  { argv: ['bastion1'], why: 'a profile' },
  { argv: ['192.0.2.1'], why: 'an address of one' },
  { argv: ['nobody'], why: 'no profile' },
  { argv: ['2001:db8::1'], why: 'an IPv6 address' },
  { argv: ['--proxy', 'nobody', '22'], why: "ssh's way, without a profile" },
  { argv: ['--door', 'ssh', '--proxy', 'nobody', '22'], why: 'the line of ssh-config' },
  { argv: ['--door', 'nope', 'bastion1'], why: 'a door that there is not' },
  { argv: ['--proxy', 'bastion1', '0'], why: 'no port' },
  { argv: ['--proxy', 'bastion1', '99999'], why: 'no port either' },
];

const NOT_PLAIN: readonly Case[] = [
  ...COMMAND_NAMES.map((name) => ({ argv: [name], why: 'a command' })),
  { argv: [], why: 'nothing' },
  { argv: [''], why: 'an empty word' },
  { argv: ['-v'], why: 'an option' },
  { argv: ['--'], why: 'the end of options' },
  { argv: ['--door', 'ssh', '--door', 'ssh', 'bastion1'], why: 'a door twice' },
  { argv: ['--door', 'ssh'], why: 'a door without a host' },
  { argv: ['bastion1', '-v'], why: 'a host with an option' },
  { argv: ['bastion1', '7000'], why: 'ports of the command line' },
  { argv: ['--proxy', 'show', '22'], why: 'a host called like a command' },
  { argv: ['--proxy', 'bastion1', '-4'], why: 'an option for a port' },
  { argv: ['--proxy', '-4', '22'], why: 'an option for a host' },
  { argv: ['--verify', 'bastion1', '22'], why: 'another option in front' },
  { argv: ['otpauth://x'], why: 'a pasted profile' },
];

test('the names of the commands are those of the grammar', () => {
  const { deps } = testDeps(testWorld(), '/nowhere');
  const names = createProgram(deps).commands.map((command) => command.name());
  assert.deepEqual(names.toSorted(), COMMAND_NAMES.toSorted());
});

for (const { argv, why } of NOT_PLAIN) {
  test(`knock-otp ${argv.join(' ')} is left to the grammar: ${why}`, () => {
    assert.equal(plainKnock(argv), undefined);
  });
}

for (const { argv, why } of PLAIN) {
  test(`knock-otp ${argv.join(' ')} does what the grammar would have done: ${why}`, async () => {
    assert.notEqual(plainKnock(argv), undefined);
    assert.deepEqual(await played(argv, 'short'), await played(argv, 'grammar'));
  });
}

/** The output, the packets and the exit code, with a profile `bastion1` in a home of its own. */
async function played(argv: readonly string[], way: 'short' | 'grammar'): Promise<unknown> {
  return await inHome(async (home) => {
    const world = testWorld({ stdin: `${testUri()}\n` });
    assert.equal(await run(['add', '-'], testDeps(world, home).deps), 0);
    const { deps, outputs } = testDeps({ ...world, stdin: '' }, home);
    let exit: number;
    let said = '';
    try {
      exit = await (way === 'short' ? run : runCommandLine)(argv, deps);
      said = outputs.stderr;
    } catch (error) {
      assert.ok(error instanceof KnockError);
      exit = exitCodeOf(error);
      said = `${outputs.stderr}knock-otp: error: ${error.message}\nknock-otp: hint: ${error.hint}\n`;
    }
    await new Promise(setImmediate);
    return { exit, said, stdout: outputs.stdout, sent: world.sent };
  });
}
