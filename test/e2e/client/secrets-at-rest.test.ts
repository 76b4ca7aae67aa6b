/** A locked profile in use: the passphrase at the terminal under ssh, and the keyring of a desktop session. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import { startSshServer } from '../../../scripts/lab/ssh-server.ts';
import { MARKER_SECRET, testUri } from '../../support/client/client-deps.ts';
import { Bastion } from '../../support/host/bastion.ts';

const PASSPHRASE = 'correct horse battery';

/** Runs a command in a new terminal, types a line when the command asks, and prints the terminal's output. */
const AT_TERMINAL = `
import os, pty, sys
pid, fd = pty.fork()
if pid == 0: os.execvp(sys.argv[2], sys.argv[2:])
seen, typed = b'', False
while True:
    try: chunk = os.read(fd, 4096)
    except OSError: break
    if not chunk: break
    seen += chunk
    if b'passphrase for' in seen and not typed:
        typed = True
        os.write(fd, sys.argv[1].encode() + b'\\r')
sys.stdout.buffer.write(seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;

import { CLIENT_PROGRAM } from '../../support/host/built.ts';

test('when ssh runs us as its proxy command then the passphrase is asked for at the terminal and not shown', {
  skip: skipWithoutNamespaces(),
  timeout: 120_000,
}, async () => {
  await using bastion = await Bastion.create({
    doors: '[ssh]\notp = hotp\nopen = nftables tcp/22\ncmd_timeout = 60\n',
    service: false,
  });
  const { client, dir } = bastion;
  const sshd = await startSshServer(bastion.server, dir);
  try {
    const laptop = await bastion.enroll('laptop');
    await bastion.start();
    const file = join(dir, 'passphrase');
    await writeFile(file, `${PASSPHRASE}\n`, { mode: 0o600 });
    const added = await bastion.knockOtp(['add', '-', '--as', 'work', '--passphrase'], {
      input: `${laptop.uri}\n`,
      env: { KNOCK_OTP_PASSPHRASE_FILE: file },
    });
    assert.equal(added.code, 0, added.stderr);
    const [, ...words] = sshd.command;
    const command = [...bastion.clientCommand, 'ssh', ...words, '-T', `${sshd.user}@work`, 'echo inside; exit 4'];
    const env = await bastion.clientHome(client);
    const typed = (passphrase: string) =>
      client.run(['python3', '-c', AT_TERMINAL, passphrase, ...command], { env, timeoutMs: 60_000 });
    const right = await typed(PASSPHRASE);
    assert.equal(right.code, 4, right.stdout);
    assert.match(right.stdout, /passphrase for work: [\s\S]*inside/);
    assert.ok(!right.stdout.includes(PASSPHRASE), 'what is typed is not shown');
    // The door is still open, so the client does not ask, even without a terminal.
    const again = await bastion.knockOtp(['--proxy', 'work', '22'], { input: '' });
    assert.equal(again.code, 0, again.stderr);
  } finally {
    await sshd.process.end('SIGKILL');
  }
});

const hasKeyring = ['dbus-run-session', 'gnome-keyring-daemon'].every(
  (program) => spawnSync('which', [program]).status === 0,
);
const noKeyring = hasKeyring || process.env['CI'] === 'true' ? false : 'no keyring here: scripts/setup --test';

test('when a profile is kept in the keyring then the file has no secret, and the session has it', {
  skip: noKeyring,
  timeout: 120_000,
}, async () => {
  const home = await mkdtemp(join(tmpdir(), 'knock-otp-keyring-'));
  try {
    const program = `${process.execPath} ${CLIENT_PROGRAM}`;
    const script = `set -e
printf %s login | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1
printf '%s\\n' "$URI" | ${program} add - --as work
${program} lock work --keyring
${program} show work --counter 3
${program} list
cat "$HOME"/.config/knock-otp/profiles/* > "$HOME/kept"
${program} unlock work
${program} lock work --keyring
${program} remove work`;
    const env = { PATH: process.env['PATH'] ?? '', HOME: home, URI: testUri({ mode: 'hotp', step: 0, window: 0 }) };
    const ran = spawnSync('dbus-run-session', ['--', 'sh', '-c', script], { env, encoding: 'utf8', timeout: 60_000 });
    assert.equal(ran.status, 0, ran.stderr);
    assert.match(ran.stdout, /^work: the secret is kept in the keyring of this system$/m);
    assert.match(ran.stdout, /^35141 52587 41961 47272 51770 23920$/m);
    assert.match(ran.stdout, /^work {2}ssh .* keyring$/m);
    const kept = await readFile(join(home, 'kept'), 'utf8');
    assert.match(kept, /^factors = [0-9a-f]{32}$/m);
    assert.ok(!kept.includes(MARKER_SECRET) && !kept.includes('secret='));
    assert.deepEqual(await readdir(join(home, '.config/knock-otp/profiles')), []);
    // Without a session there is no Secret Service, and the client does not fall back to a weaker storage.
    const { status, stderr } = spawnSync(process.execPath, [CLIENT_PROGRAM, 'add', '-', '--as', 'x', '--keyring'], {
      env: { ...env, DBUS_SESSION_BUS_ADDRESS: 'unix:path=/nonexistent' },
      input: `${testUri({ server: 'x' })}\n`,
      encoding: 'utf8',
    });
    assert.equal(status, 1, stderr);
    assert.match(stderr, /the keyring of this system cannot be written/);
    assert.deepEqual(await readdir(join(home, '.config/knock-otp/profiles')), []);
  } finally {
    await rm(home, { recursive: true, force: true });
  }
});
