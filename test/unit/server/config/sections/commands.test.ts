/** Commands of every key: what only a shell understands, `:`, and programs that cannot run, are told by `check`. */
import assert from 'node:assert/strict';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { loadServer } from '../../../../../server/config/load-server.ts';
import { commandsFor, hasAnyClose } from '../../../../../server/firewall/firewall.ts';
import { addressKey } from '../../../../../shared/address.ts';
import { formatProblem, KnockError, type Problem } from '../../../../../shared/errors.ts';
import { configDirectory, readText } from '../../../../support/core/config-text.ts';

const WRITTEN = '[d]\nsequence = 7001,7003,7002\ntcpflags = syn\n';
const SERVICE = '[d]\notp = hotp\nopen = nftables tcp/22\nstop_when = idle 1h\n';

/** For each key that holds a command: the key that brings the shell, and the whole configuration. */
const places: readonly { readonly key: string; readonly shell: string; readonly text: (command: string) => string }[] =
  [
    { key: 'command', shell: 'shell', text: (command) => `${WRITTEN}command = ${command}\n` },
    { key: 'start_command_6', shell: 'shell', text: (command) => `${WRITTEN}start_command_6 = ${command}\n` },
    ...['stop_command', 'stop_command_6'].map((key) => ({
      key,
      shell: 'shell',
      text: (command: string) => `${WRITTEN}command = true %IP%\n${key} = ${command}\n`,
    })),
    {
      key: 'start_command',
      shell: 'shell',
      text: (command) => `${SERVICE}start_command = ${command}\nstop_command = true\n`,
    },
    {
      key: 'stop_command',
      shell: 'shell',
      text: (command) => `${SERVICE}start_command = true\nstop_command = ${command}\n`,
    },
    ...['scan', 'notify'].map((name) => ({
      key: `${name}_command`,
      shell: `${name}_shell`,
      text: (command: string) => `${WRITTEN}command = true %IP%\n[options]\n${name}_command = ${command}\n`,
    })),
  ];

const shellLines = [
  'true # hunter2',
  'cd /hunter2',
  'A=hunter2 true',
  '~/hunter2',
  '[ hunter2 ]',
  'true "$hunter2"',
  'true;',
];

for (const { key, shell, text } of places) {
  for (const command of shellLines) {
    test(`when ${key} is ${command} then it is refused at its line, and ${shell} = yes is a way out`, () => {
      const whole = text(command);
      const problems = readText(whole).problems.filter((problem) => problem.key === key);
      assert.equal(problems.length, 1, whole);
      const [{ message, hint = '', line } = { message: '' } as Problem] = problems;
      assert.match(message, /^commands run without a shell, and /);
      assert.ok(hint.includes(`${shell} = yes`), hint);
      assert.equal(whole.split('\n')[(line ?? 0) - 1], `${key} = ${command}`);
      assert.doesNotMatch(message + hint, /hunter2/);
    });
  }
}

async function problemsOf(context: TestContext, text: string): Promise<readonly string[]> {
  const directory = await configDirectory(text);
  context.after(() => directory.remove());
  try {
    await loadServer(directory.file);
    return [];
  } catch (error) {
    assert.ok(error instanceof KnockError);
    return error.problems.map((problem) => formatProblem(problem));
  }
}

for (const { key, text } of places) {
  test(`when the program of ${key} is missing then check says so, without the command's words`, async (context) => {
    const command = key === 'scan_command' ? '/nonexistent/hunter2 %IP%' : '/nonexistent/hunter2';
    const found = (await problemsOf(context, text(command).replace('[options]\n', '[OPTIONS]\n'))).filter((line) =>
      line.includes('program'),
    );
    assert.equal(found.length, 1, found.join('\n'));
    assert.match(found[0] ?? '', new RegExp(`^\\d+: \\[.*\\] ${key}: the program does not exist`));
    assert.doesNotMatch(found[0] ?? '', /hunter2/);
  });
}

test('when a shell reads the commands then their words are its business', async (context) => {
  const text = `${WRITTEN}shell = yes\ncommand = cd /srv; no-such %IP% # text\n`;
  assert.deepEqual(await problemsOf(context, text), []);
});

test('when run_as may not run the program, or is nobody, then check says so', async (context) => {
  if (process.geteuid?.() !== 0) return context.skip('only root can find out');
  const directory = await configDirectory('');
  context.after(() => directory.remove());
  await chmod(directory.root, 0o755);
  const open = join(directory.root, 'open');
  await mkdir(join(directory.root, 'shut'), { mode: 0o700 });
  const shut = join(directory.root, 'shut', 'open');
  for (const path of [open, shut]) await writeFile(path, '#!/bin/sh\n', { mode: 0o755 });
  const run = (path: string, user: string) =>
    problemsOf(context, `${WRITTEN}command = ${path} %IP%\nrun_as = ${user}\n`);
  assert.deepEqual(await run(open, 'nobody'), []);
  assert.match((await run(shut, 'nobody')).join('\n'), /nobody may not run the program/);
  assert.match((await run(open, 'no_such_user')).join('\n'), /cannot run as no_such_user/);
  const shell = `${WRITTEN}command = echo %IP% > /dev/null\nshell = yes\nrun_as = no_such_user\n`;
  assert.match((await problemsOf(context, shell)).join('\n'), /cannot run as no_such_user/);
});

const IPV4 = addressKey('192.0.2.7') ?? assert.fail();
const IPV6 = addressKey('2001:db8::7') ?? assert.fail();

test('when a command is : then it does nothing, as an empty one', () => {
  const { config, problems } = readText(
    `${WRITTEN}command = true %IP%\ncommand_6 = :\n\n[e]\nsequence = 7004,7006,7005\ncommand = true %IP%\nstop_command =  : \n`,
  );
  assert.deepEqual(problems, []);
  const [first, second] = config.doors.map(({ action }) => (action.kind === 'command' ? action : assert.fail()));
  assert.deepEqual(commandsFor(first ?? assert.fail(), IPV4), { start: 'true %IP%', stop: undefined });
  assert.deepEqual(commandsFor(first ?? assert.fail(), IPV6), { start: undefined, stop: undefined });
  assert.equal(hasAnyClose(second ?? assert.fail()), false);
});

test('when a door has only : then check says how a door is only logged', () => {
  const { problems } = readText(`${WRITTEN}command = :\n`);
  assert.deepEqual(
    problems.map(({ key }) => key),
    ['open'],
  );
  assert.match(problems[0]?.hint ?? '', /start_command = \/bin\/true/);
  assert.deepEqual(readText(`${WRITTEN}shell = yes\ncommand = :\n`).problems, []);
});

test('when command_timeout is given then doors and services have it, and a firewall has no commands', () => {
  const door = readText(`${WRITTEN}command = true %IP%\ncommand_timeout = 3\n`).config.doors[0];
  assert.equal(door?.action.kind === 'command' && door.action.timeoutMs, 3000);
  const service = readText(`${SERVICE}start_command = true\nstop_command = true\ncommand_timeout = 3\n`);
  assert.equal(service.config.doors[0]?.service?.timeoutMs, 3000);
  const { problems } = readText('[d]\notp = totp\nopen = nftables tcp/22\ncommand_timeout = 3\n');
  assert.deepEqual(
    problems.map(({ key }) => key),
    ['command_timeout'],
  );
});
