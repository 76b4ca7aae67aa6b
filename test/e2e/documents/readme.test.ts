/**
 * What the README and docs/INSTALL.md show is what happens. The README's session is played line by line on two hosts. The
 * server commands of docs/INSTALL.md run with the configuration that stands above them, and its lines for ssh_config work.
 */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import { documentText, fencedBlocks } from '../../support/documents/documents.ts';
import { Stage } from '../../support/host/stage.ts';

const options = { skip: skipWithoutNamespaces(), timeout: 180_000 };
const readme = documentText('README.md');
const manual = documentText('docs/INSTALL.md');

/** The fenced blocks of a language in a page's text, in order. */
function blocks(page: string, language: string): readonly string[] {
  return fencedBlocks(page)
    .filter((block) => block.language === language)
    .map(({ text }) => text);
}

test("the README's session goes as it is printed there", options, async () => {
  await using stage = await Stage.set();
  await stage.bastion.start();
  const session = blocks(readme, 'console')[0] ?? '';
  assert.match(session, /knock-otp bastion1 && ssh/);
  let said = '';
  for (const line of session.trimEnd().split('\n')) {
    const [, host, command] = /^(server#|client\$) (.*)$/.exec(line) ?? [];
    if (command === undefined) {
      const want = line.replace('192.0.2.10', stage.bastion.server.ipv4);
      assert.ok(said.includes(want), `"${want}" is not in what was said:\n${said}`);
      continue;
    }
    const on = host === 'server#' ? stage.bastion.server : stage.bastion.client;
    // Each login prints a line and ends.
    const done = await stage.type(on, command.replace(/&& ssh (\S+)$/, '&& ssh $1 echo inside'));
    said = done.stdout + done.stderr;
    const refused = command.startsWith('ssh ');
    assert.equal(done.code === 0, !refused, `${command}\n${said}`);
    if (command.includes('&& ssh')) assert.match(done.stdout, /^inside$/m);
  }
});

test("the README's configuration and server commands work as they stand", options, async () => {
  await using stage = await Stage.set();
  const { bastion } = stage;
  const config = blocks(manual, 'ini')[0] ?? '';
  const folders = `  state_dir = ${bastion.stateDir}\n  clients_dir = ${join(bastion.dir, 'clients')}\n`;
  await writeFile(bastion.configFile, config.replace('[options]\n', `[options]\n${folders}`), { mode: 0o600 });
  const commands = (blocks(manual, 'sh').find((block) => block.includes('knock-otpd check')) ?? '')
    .trimEnd()
    .split('\n');
  assert.deepEqual(
    commands.map((line) => line.split(/\s+/, 2).join(' ')),
    ['knock-otpd check', 'knock-otpd enroll', 'knock-otpd #', 'knock-otpd status'],
  );
  for (const command of commands) {
    if (/^knock-otpd\s+#/.test(command)) {
      await bastion.start();
      continue;
    }
    const { code, stdout, stderr } = await stage.type(bastion.server, command);
    assert.equal(code, 0, `${command}\n${stdout}${stderr}`);
  }
  const inBackground = await stage.type(bastion.server, 'knock-otpd -d');
  assert.equal(inBackground.code, 1, 'a second daemon on one state is refused');
  assert.match(inBackground.stderr, /in use by another knock-otpd/);
});

test("the README's ways to ssh make it knock", options, async () => {
  await using stage = await Stage.set();
  await stage.bastion.start();
  const { server, client } = stage.bastion;
  await stage.type(server, 'knock-otpd enroll laptop --door ssh --host bastion1.example.org > laptop.uri');
  await stage.type(client, 'knock-otp add - --as bastion1 < laptop.uri');
  const written = 'knock-otp ssh-config >> ~/.ssh/config';
  assert.ok(manual.includes(written));
  const lines = await stage.type(client, `mkdir ~/.ssh && ${written}`);
  assert.equal(lines.code, 0, lines.stderr);
  assert.ok(manual.includes('plain `ssh bastion1`') && manual.includes('`knock-otp ssh bastion1`'));
  // ssh takes the home directory from the password file, not from HOME.
  for (const command of ['ssh -F ~/.ssh/config bastion1 echo inside', 'knock-otp ssh bastion1 echo inside']) {
    const { code, stdout, stderr } = await stage.type(client, command);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^inside$/m);
  }
  const ran = await stage.type(client, 'knock-otp exec bastion1 -- sh -c \'exit "$KNOCK_OTP_PORT"\'');
  assert.equal(ran.code, 22, ran.stderr);
});
