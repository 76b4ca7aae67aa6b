/** How the client ends after a signal or a closed pipe: by the signal, with the terminal restored, without messages. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Network, type NetworkHost, skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import { timeStepAt } from '../../../shared/moving-factor.ts';
import { MARKER_SECRET, testUri } from '../../support/client/client-deps.ts';
import { CLIENT_PROGRAM } from '../../support/host/built.ts';

const options = { skip: skipWithoutNamespaces(), timeout: 60_000 };
const program = [process.execPath, CLIENT_PROGRAM];
const atTerminal = fileURLToPath(new URL('../../support/client/at_terminal.py', import.meta.url));

const PASSPHRASE = 'correct horse battery';
const INTERRUPT = '03';
const SIGINT = -2;
const CLEAR = '\r\u001B[K';

interface Shown {
  readonly shown: string;
  readonly ended: number;
  readonly sane: boolean;
  readonly typed: boolean;
}

/** A host from which 192.0.2.1 is as silent as a hidden server, and a home with a profile for it. */
async function atHome(
  body: (at: {
    readonly host: NetworkHost;
    readonly home: string;
    readonly env: Record<string, string>;
  }) => Promise<void>,
): Promise<void> {
  await using network = await Network.create(['client']);
  const host = network.host('client');
  await host.ip('route add 192.0.2.0/24 dev lo');
  const home = await mkdtemp(join(tmpdir(), 'knock-otp-ends-'));
  try {
    const env = { HOME: home, XDG_CONFIG_HOME: join(home, 'config'), TERM: 'xterm' };
    await body({ host, home, env });
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

async function interrupted(
  host: NetworkHost,
  env: Record<string, string>,
  when: string,
  args: readonly string[],
): Promise<Shown> {
  const argv = ['python3', atTerminal, when, INTERRUPT, ...program, ...args];
  return JSON.parse(await host.must(argv, { env, timeoutMs: 30_000 })) as Shown;
}

/** No unfinished files. */
async function assertWhole(home: string): Promise<void> {
  const files = (await readdir(home, { recursive: true, withFileTypes: true })).filter((each) => each.isFile());
  const odd = files.filter(({ name }) => !/^([0-9]+|turn|work@ssh\.profile)$/.test(name));
  assert.deepEqual(
    odd.map(({ name }) => name),
    [],
  );
}

test('^C while a knock is verified ends it by the signal and removes the line', options, async () => {
  await atHome(async ({ host, home, env }) => {
    await host.must([...program, 'add', '-', '--as', 'work'], { env, input: `${testUri()}\n` });
    const { shown, ended, sane, typed } = await interrupted(host, env, 'verifying work', ['work']);
    assert(typed, shown);
    assert.equal(ended, SIGINT);
    assert(sane);
    assert(shown.endsWith(CLEAR), JSON.stringify(shown));
    await assertWhole(home);
    // The lease of the ended run does not delay the next run.
    const next = await interrupted(host, env, 'verifying work', ['work']);
    assert.equal(next.ended, SIGINT);
    assert.ok(!next.shown.includes('another run'), next.shown);
  });
});

test('^C while it counts down to the next time step does so too', options, async () => {
  await atHome(async ({ host, home, env }) => {
    await host.must([...program, 'add', '-', '--as', 'work'], { env, input: `${testUri()}\n` });
    // One knock creates the folder of used factors. Then a step beyond the window is marked as used.
    await interrupted(host, env, 'verifying work', ['work']);
    const spent = join(home, 'config/knock-otp/spent');
    const [folder = ''] = await readdir(spent);
    await writeFile(join(spent, folder, `${timeStepAt(Date.now(), 30) + 2}`), '');
    const { shown, ended, sane, typed } = await interrupted(host, env, 's until work', ['work', '--timeout', '120']);
    assert(typed, shown);
    assert.deepEqual([ended, sane], [SIGINT, true]);
    assert.match(shown, /\[#+\.*\] [0-9]+ s until work accepts the next knock/);
    assert(shown.endsWith(CLEAR), JSON.stringify(shown));
    await assertWhole(home);
  });
});

test('^C at the question for the passphrase ends it by the signal, with a terminal that echoes', options, async () => {
  await atHome(async ({ host, home, env }) => {
    const file = join(home, 'passphrase');
    await writeFile(file, `${PASSPHRASE}\n`, { mode: 0o600 });
    const locked = { ...env, KNOCK_OTP_PASSPHRASE_FILE: file };
    await host.must([...program, 'add', '-', '--as', 'work', '--passphrase'], { env: locked, input: `${testUri()}\n` });
    await rm(file);
    const { shown, ended, sane, typed } = await interrupted(host, env, 'passphrase for work', ['work']);
    assert(typed, shown);
    assert.deepEqual([ended, sane], [SIGINT, true]);
    assert.ok(!shown.includes('error'), shown);
    await assertWhole(home);
  });
});

test('when nobody reads what it prints then there is no noise, and the exit code is what it was', options, async () => {
  await atHome(async ({ host, env }) => {
    await host.must([...program, 'add', '-', '--as', 'work'], { env, input: `${testUri()}\n` });
    for (const args of [['list'], ['list', '--json'], ['--help'], ['group', 'list', '--json']]) {
      const { stderr } = await host.run(['sh', '-c', '{ "$@"; echo "exit $?" >&2; } | :', 'sh', ...program, ...args], {
        env,
      });
      assert.equal(stderr, 'exit 0\n', args.join(' '));
    }
  });
});

test('a home that cannot be written to, or that nobody knows, is said before anything is sent', options, async () => {
  await atHome(async ({ host, home, env }) => {
    await host.must([...program, 'add', '-', '--as', 'work'], { env, input: `${testUri()}\n` });
    const readOnly = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"';
    const frozen = await host.run(['unshare', '--mount', 'sh', '-c', readOnly, home, ...program, 'work'], { env });
    assert.equal(frozen.code, 1);
    assert.match(frozen.stderr, /error: cannot make the folder .*: EROFS/);
    const { HOME: _, XDG_CONFIG_HOME: __, ...homeless } = env;
    const lost = await host.run(['env', '-u', 'HOME', '-u', 'XDG_CONFIG_HOME', ...program, 'work'], { env: homeless });
    assert.equal(lost.code, 2);
    assert.match(
      lost.stderr,
      /error: there is no home folder to keep profiles in\n.*hint: set HOME or XDG_CONFIG_HOME/,
    );
    await mkdir(join(home, '.config'), { mode: 0o700 });
    const moved = await host.run(['env', '-u', 'XDG_CONFIG_HOME', ...program, 'list'], { env: { HOME: home } });
    assert.equal(moved.code, 0);
    assert.match(moved.stderr, /no profiles in .*\/\.config\/knock-otp/);
    for (const { stderr } of [frozen, lost, moved]) assert.ok(!stderr.includes(MARKER_SECRET));
  });
});
