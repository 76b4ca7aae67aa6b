/** The server's command line, in process: every word that it says, its exit codes, and that no secret is among them. */
import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runCli } from '../../server/cli.ts';
import { checkGolden, type Runner } from '../support/documents/golden.ts';
import { readText } from '../support/host/stream-text.ts';

const SCRIPTS = fileURLToPath(new URL('./server/', import.meta.url));

const OPTIONS = `[options]
interface = lo
server_id = bastion1
state_dir = DIR/state
clients_dir = DIR/clients
`;

const CONFIGS: Readonly<Record<string, string>> = {
  'good.conf': `${OPTIONS}\n[ssh]\notp = totp\nopen = nftables tcp/22\n\n[web]\notp = hotp\nclients = laptop\nopen = nftables tcp/8080\n`,
  'one-door.conf': `${OPTIONS}\n[ssh]\notp = totp\nopen = nftables tcp/22\n`,
  'bad.conf': `${OPTIONS}\n[ssh]\notp = motp\nopen = nftables tcp/99999\nknoks = 7\nseq_timeout = 10s\n\n[ssh]\notp = totp\nopen = nftables tcp/22\n`,
  'weak.conf': `${OPTIONS}\n[ssh]\notp = totp\nknocks = 2\nopen = nftables tcp/22\n`,
  'unknown-client.conf': `${OPTIONS}\n[ssh]\notp = totp\nclients = laptop, phone\nopen = nftables tcp/22\n`,
};

async function inFolder(use: (run: Runner, folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'knock-otp-golden-'));
  try {
    await mkdir(join(folder, 'clients'), { mode: 0o700 });
    for (const [name, text] of Object.entries(CONFIGS)) {
      await writeFile(join(folder, name), text.replaceAll('DIR', folder), { mode: 0o600 });
    }
    await use(runner(folder), folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

function runner(folder: string): Runner {
  return async (args) => {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const words = args.map((arg) => (arg.endsWith('.conf') ? join(folder, arg) : arg));
    const exit = await runCli(words, { version: '1.2.3', stdout, stderr });
    return { stdout: readText(stdout), stderr: readText(stderr), exit };
  };
}

for (const script of (await readdir(SCRIPTS)).sort()) {
  test(`the program says what test/golden/server/${script} has`, async () => {
    await inFolder(async (run, folder) => {
      await checkGolden(join(SCRIPTS, script), run, (text) =>
        text.replaceAll(folder, '/etc/knock').replaceAll(/secret=[A-Z2-7]+/g, 'secret=SECRET'),
      );
    });
  });
}

test('when others can read a secret then nothing starts, and the file and the remedy are named', async () => {
  await inFolder(async (run, folder) => {
    await run(['enroll', 'laptop', '--door', 'ssh', '-c', 'one-door.conf'], undefined);
    await chmod(join(folder, 'clients', 'laptop.client'), 0o644);
    const { exit, stderr } = await run(['check', '-c', 'one-door.conf'], undefined);
    assert.equal(exit, 2);
    assert.match(stderr, /laptop\.client/);
    assert.match(stderr, /chmod/);
  });
});

test('a secret is printed by enroll, once, and by nothing else', async () => {
  await inFolder(async (run) => {
    const { stdout } = await run(['enroll', 'laptop', '--door', 'ssh', '-c', 'one-door.conf'], undefined);
    const secret = /secret=([A-Z2-7]+)/.exec(stdout)?.[1] ?? '';
    assert.equal(secret.length, 32);
    const commands = ['check', 'check --json', 'enroll laptop', 'status', 'status --json', 'revoke nobody', '-D check'];
    for (const command of commands) {
      const said = await run([...command.split(' '), '-c', 'one-door.conf'], undefined);
      assert.ok(!`${said.stdout}${said.stderr}`.includes(secret), command);
    }
  });
});
