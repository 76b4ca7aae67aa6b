/**
 * The commands that documents show, typed as they stand there. readme.test.ts types what the README shows, and the server
 * commands of docs/INSTALL.md.
 */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type NetworkHost, skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import { type Finished, run } from '../../../scripts/lab/running-process.ts';
import { plain } from '../../../scripts/recording/terminal-rows.ts';
import { demoPicture, linesOfPicture, unchanging } from '../../support/documents/demo-story.ts';
import { documentText, fencedBlocks } from '../../support/documents/documents.ts';
import { Stage } from '../../support/host/stage.ts';

const options = { skip: skipWithoutNamespaces(), timeout: 180_000 };
const isLong = process.env['KNOCK_OTP_LONG'] !== undefined || process.env['CI'] === 'true';
const whenLong = { ...options, skip: options.skip || (isLong ? false : 'runs with --long and in CI') };

/** The lines of the block that contains `words`, without their comments. */
function linesOf(document: string, words: string): readonly string[] {
  const block = fencedBlocks(documentText(document)).find(({ text }) => text.includes(words));
  assert.ok(block !== undefined, `${document} has no block with "${words}"`);
  const lines = block.text.trimEnd().split('\n');
  return lines.map((line) => line.replace(/^[#$] /, '').replace(/ {2,}#.*$/, ''));
}

async function must(stage: Stage, host: NetworkHost, line: string): Promise<Finished> {
  const done = await stage.type(host, line);
  assert.equal(done.code, 0, `${line}\n${done.stdout}${done.stderr}`);
  return done;
}

/** Gives the client a profile with each of these names, all for the one server. */
async function enrol(stage: Stage, names: readonly string[]): Promise<void> {
  const { server, client } = stage.bastion;
  for (const name of names) {
    await must(stage, server, `knock-otpd enroll of-${name} --door ssh --host bastion1.example.org > ${name}.uri`);
    await must(stage, client, `knock-otp add - --as ${name} < ${name}.uri`);
  }
}

test("the README's ways without a profile knock", options, async () => {
  await using stage = await Stage.set();
  const { bastion } = stage;
  const { server, client } = bastion;
  await must(stage, server, 'knock-otpd sequences -o list.sequences --copy copy.sequences');
  const list = join(bastion.dir, 'list.sequences');
  await bastion.configure({
    serverId: 'bastion1',
    doors: `[list]\none_time_sequences = ${list}\ntcpflags = syn\nopen = nftables tcp/22\n`,
  });
  await bastion.start();
  const lines = linesOf('docs/INSTALL.md', '--one-time FILE --verify 22');
  assert.equal(lines.length, 2);
  for (const line of lines) {
    const typed = line.replace('HOST', 'bastion1.example.org').replace('FILE', 'copy.sequences');
    const { stdout } = await must(stage, client, typed);
    if (line.includes('--verify')) assert.match(stdout, /^open: /);
  }
});

test('what docs/CLIENT.md shows of ssh, of several bastions and of completion works', whenLong, async () => {
  await using stage = await Stage.set();
  await stage.bastion.start();
  const { client } = stage.bastion;
  await enrol(stage, ['bastion1', 'b1', 'b2', 'b3']);
  await must(
    stage,
    client,
    'mkdir -p ~/.ssh ~/.local/share/bash-completion/completions ~/.zfunc ~/.config/fish/completions',
  );
  const said: string[] = [];
  for (const words of ['knock-otp ssh admin', 'knock-otp group add', 'completion zsh']) {
    for (const line of linesOf('docs/CLIENT.md', words)) said.push((await must(stage, client, line)).stdout);
  }
  assert.match(said.join(''), /\bload average\b/, 'uptime ran on the other side');
  assert.match(said.join(''), /^open: b1 /m);
  await must(
    stage,
    client,
    'grep -q "ProxyCommand .*--proxy" ~/.ssh/config && bash -n ~/.local/share/bash-completion/completions/*',
  );
});

test('what docs/CLIENT.md shows of secrets at rest works', whenLong, async () => {
  await using stage = await Stage.set();
  await stage.bastion.start();
  const { client, dir } = stage.bastion;
  await enrol(stage, ['bastion1']);
  await writeFile(join(dir, 'words'), 'correct horse battery staple\n', { mode: 0o600 });
  const lines = linesOf('docs/CLIENT.md', 'knock-otp unlock');
  assert.equal(lines.length, 3);
  // test/e2e/client/secrets-at-rest.test.ts tests the keyring, because it needs a desktop session.
  for (const line of lines.filter((each) => !each.includes('--keyring'))) {
    await must(stage, client, `KNOCK_OTP_PASSPHRASE_FILE=$PWD/words ${line}`);
  }
  await must(stage, client, 'knock-otp bastion1');
});

test('what docs/SEEING.md shows explains a recorded knock', whenLong, async () => {
  await using stage = await Stage.set();
  const { bastion } = stage;
  const laptop = await bastion.enroll('laptop');
  const daemon = await bastion.start();
  const recorder = await bastion.record(join(bastion.dir, 'knocks.pcap'), 'tcp');
  await bastion.send(laptop.sequence(await bastion.timeStep(laptop)));
  await daemon.waitForLine(/otpd: opened .*door=ssh/);
  await recorder.end('SIGINT');
  const [line = '', ...more] = linesOf('docs/SEEING.md', 'knock-otpd explain knocks.pcap');
  assert.deepEqual(more, []);
  const { stdout } = await must(stage, bastion.server, line);
  assert.match(stdout, /knock 6 of 6 at door ssh, client laptop/);
});

test('what docs/MIGRATING-FROM-KNOCKD.md shows takes the place of a knockd', whenLong, async () => {
  await using stage = await Stage.set();
  const { bastion } = stage;
  const opened = join(bastion.dir, 'opened');
  await stage.putIntoEtc(
    'knockd.conf',
    `[options]\n  interface = eth0\n\n[openSSH]\n  sequence = 7000,8000,9000\n  seq_timeout = 5\n  tcpflags = syn\n  start_command = /usr/bin/touch ${opened}-%IP%\n`,
  );
  const lines = linesOf('docs/MIGRATING-FROM-KNOCKD.md', 'knock-otpd check');
  for (const line of lines.filter((each) => each.startsWith('knock-otpd check'))) {
    assert.match((await must(stage, bastion.server, line)).stdout, /openSSH/);
  }
  const [run = '', ...others] = lines.filter((each) => /^knock-otpd -c/.test(each));
  assert.deepEqual([others, lines.length], [[], 3]);
  const daemon = await stage.begin(bastion.server, run);
  await daemon.waitForLine(/\bready\b/);
  await must(stage, bastion.client, 'knock-otp bastion1.example.org 7000 8000 9000');
  await daemon.waitForLine(/openSSH: OPEN SESAME/);
  await must(stage, bastion.server, `test -e ${opened}-${bastion.client.ipv4}`);
});

test('the demo goes as it is told', whenLong, async () => {
  assert.equal(linesOf('README.md', 'npm run demo')[0], 'npm run demo');
  const demo = fileURLToPath(new URL('../../../dist/scripts/demonstration/demo.js', import.meta.url));
  const { code, stdout, stderr } = await run([process.execPath, demo], { timeoutMs: 90_000 });
  assert.equal(code, 0, stdout + stderr);
  const said = stdout.trimEnd().split('\n').map(plain);
  const shown = linesOfPicture(demoPicture()).slice(1);
  assert.deepEqual(
    unchanging(shown),
    unchanging(said),
    'docs/pictures/demo.svg is old: scripts/record-demo makes it anew',
  );
});
