/**
 * Every view that draws, on real pseudo-terminals: 20, 40 and 80 columns wide, dumb, with NO_COLOR, and without a terminal.
 * Redrawn lines never wrap, dumb terminals get no escape sequences, and NO_COLOR gets no colour.
 */
import assert from 'node:assert/strict';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type NetworkHost, skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import { timeStepAt } from '../../../shared/moving-factor.ts';
import {
  ESCAPE,
  hasColor,
  onTerminal,
  plain,
  skipWithoutTerminal,
  terminalEnv,
} from '../../support/client/terminal.ts';
import { Bastion } from '../../support/host/bastion.ts';

const skip = skipWithoutNamespaces() || skipWithoutTerminal();
const options = { skip, timeout: 120_000 };
const isLong = process.env['KNOCK_OTP_LONG'] !== undefined || process.env['CI'] === 'true';
const whenLong = { ...options, skip: skip || (isLong ? false : 'runs with --long and in CI') };

const WIDTHS = [20, 40, 80];
const DUMB = { TERM: 'dumb' };
const NO_COLOR = { NO_COLOR: '1' };
const CLEAR_LINE = `\r${ESCAPE}[K`;

let bastion: Bastion;
let uri = '';
let homes = 0;

before(async () => {
  if (skip !== false) return;
  bastion = await Bastion.create();
  ({ uri } = await bastion.enroll('laptop'));
  await bastion.start();
});

after(async () => {
  await bastion?.dispose();
});

const ofServer = (...words: string[]) => [...bastion.serverCommand, ...words, '-c', bastion.configFile];

/** A separate home with the profile `b1`, because runs with one home wait for each other's lease. */
async function home(at = bastion, profile = uri): Promise<Record<string, string>> {
  homes += 1;
  const folder = join(at.dir, `terminal-${homes}`);
  await mkdir(folder, { mode: 0o700 });
  const env = { HOME: folder, XDG_CONFIG_HOME: join(folder, 'config') };
  const added = await at.knockOtp(['add', '-', '--as', 'b1'], { input: profile, env });
  assert.equal(added.code, 0, added.stderr);
  return env;
}

/** A knock that cannot open: no door opens its port. */
const KNOCK = ['b1', '--verify', '9', '--timeout', '2'];

test('the line of progress never wraps, and is gone at the end', options, async () => {
  const all = await Promise.all(
    WIDTHS.map(async (columns) => {
      const terminal = { columns, host: bastion.client, env: await home() };
      return { columns, ...(await onTerminal([...bastion.clientCommand, ...KNOCK], terminal)) };
    }),
  );
  for (const { columns, stdout, code } of all) {
    assert.equal(code, 1, stdout);
    const [, ...pieces] = stdout.split(CLEAR_LINE);
    const drawn = pieces.slice(0, -1).map((piece) => piece.replaceAll(/[\r\n]/g, ''));
    assert.ok(drawn.length > 0 && drawn.some((line) => /^(knocking|verifying)/.test(line)), stdout);
    for (const line of drawn) assert.ok(line.length < columns, `${columns} columns: "${line}"`);
    assert.match(plain(pieces.at(-1) ?? ''), /^knock-otp: error: /, 'the line is cleared before the error');
    assert.ok(hasColor(stdout));
  }
});

test(
  'nothing is drawn on a dumb terminal, nor without one, and NO_COLOR takes the colours only',
  whenLong,
  async () => {
    const knock = [...bastion.clientCommand, ...KNOCK];
    const [dumb, colorless, none] = await Promise.all([
      onTerminal(knock, { columns: 80, host: bastion.client, env: { ...(await home()), ...DUMB } }),
      onTerminal(knock, { columns: 80, host: bastion.client, env: { ...(await home()), ...NO_COLOR } }),
      bastion.knockOtp(KNOCK, { env: terminalEnv(await home()) }),
    ]);
    assert.ok(!dumb.stdout.includes(ESCAPE), dumb.stdout);
    assert.match(dumb.stdout, /^knock-otp: error: /);
    assert.ok(colorless.stdout.includes(CLEAR_LINE) && !hasColor(colorless.stdout), colorless.stdout);
    assert.deepEqual([none.code, none.stdout], [1, '']);
    assert.ok(!none.stderr.includes(ESCAPE) && none.stderr.startsWith('knock-otp: error: '), none.stderr);
  },
);

test('while a used time step is waited out, the countdown fits the terminal', whenLong, async () => {
  const env = await home();
  // One knock creates the folder of used factors. A mark two steps ahead then makes the client wait half a minute or more.
  await bastion.knockOtp(['b1', '--no-verify', '--again'], { env });
  const spent = join(env['XDG_CONFIG_HOME'] ?? '', 'knock-otp/spent');
  const [folder = ''] = await readdir(spent);
  await writeFile(join(spent, folder, `${timeStepAt(Date.now(), 30) + 2}`), '');
  for (const [columns, want] of [
    [80, /^\[[#.]{20}\] \d+ s until b1 accepts/],
    [20, /^\d+ s until b1 ac/],
  ] as const) {
    const argv = [...bastion.clientCommand, 'b1', '--no-verify', '--again', '--timeout', '120'];
    // timeout(1) interrupts the countdown after two seconds.
    const knock = `timeout -s INT 2 ${argv.map((word) => `'${word}'`).join(' ')}; true`;
    const { stdout } = await onTerminal(['sh', '-c', knock], { columns, host: bastion.client, env });
    const drawn = stdout.split(CLEAR_LINE).map((piece) => piece.replaceAll(/[\r\n]/g, ''));
    const waiting = drawn.filter((line) => want.test(line));
    assert.ok(waiting.length > 0, `${columns} columns: ${stdout}`);
    for (const line of waiting) assert.ok(line.length < columns, `${columns} columns: "${line}"`);
  }
});

test('watch fits its picture into every terminal, and leaves it as it was', options, async () => {
  for (const columns of WIDTHS) {
    const rows = columns === 20 ? 6 : 24;
    const { stdout, code } = await onTerminal(ofServer('watch'), { columns, rows, host: bastion.server, typed: 'q' });
    assert.equal(code, 0, stdout);
    const picture = stdout.split(`${ESCAPE}[H`)[1]?.split(`${ESCAPE}[J`)[0] ?? '';
    const lines = plain(picture).split(/\r*\n/);
    assert.ok(lines[0]?.startsWith('knock-otpd'.slice(0, columns)), stdout);
    assert.ok(lines.length <= rows, `${lines.length} lines`);
    for (const line of lines) assert.ok(line.length < columns, `${columns} columns: "${line}"`);
    assert.ok(hasColor(picture));
    assert.ok(stdout.trimEnd().endsWith(`${ESCAPE}[?25h${ESCAPE}[?1049l`), 'cursor and screen are given back');
  }
});

test('watch draws without colours for NO_COLOR, and prints one picture on a dumb terminal', options, async () => {
  const colorless = await onTerminal(ofServer('watch'), {
    ...{ columns: 80, host: bastion.server, typed: 'q', env: NO_COLOR },
  });
  assert.ok(colorless.stdout.includes(`${ESCAPE}[?1049h`) && !hasColor(colorless.stdout), colorless.stdout);
  const dumb = await onTerminal(ofServer('watch'), { columns: 80, host: bastion.server, env: DUMB });
  assert.deepEqual([dumb.code, dumb.stdout.includes(ESCAPE)], [0, false], dumb.stdout);
  assert.match(dumb.stdout, /^knock-otpd \S+ as bastion: healthy/);
});

test('a terminal that says it has no columns is taken for a usual one', options, async () => {
  const { stdout, code } = await onTerminal(ofServer('watch'), {
    columns: 0,
    rows: 0,
    host: bastion.server,
    typed: 'q',
  });
  assert.equal(code, 0, stdout);
  assert.match(plain(stdout), /knock-otpd \S+ as bastion: healthy/);
});

test('init shows its QR code where it fits, and says so where it does not', options, async () => {
  for (const [at, columns] of WIDTHS.entries()) {
    const folder = join(bastion.dir, `init-${at}`);
    const made = ['--state-dir', join(folder, 'state'), '--clients-dir', join(folder, 'clients')];
    const argv = [
      ...bastion.serverCommand,
      ...['init', '-c', join(folder, 'conf'), '--yes', '-i', 'lo', '--server', 'b1', '--host', '192.0.2.1', ...made],
    ];
    const { stdout, code } = await onTerminal(argv, { columns, env: columns === 80 ? DUMB : {} });
    assert.equal(code, 0, stdout);
    assert.match(stdout, /^otpauth:\/\/totp\//m);
    assert.ok(!stdout.includes(ESCAPE), stdout);
    const blocks = stdout.split(/\r*\n/).filter((line) => /[█▀▄]/.test(line));
    if (columns < 80) {
      assert.deepEqual(blocks, []);
      assert.match(stdout, new RegExp(`no QR code: it takes \\d+ columns, and this terminal has ${columns}`));
      continue;
    }
    const widths = new Set(blocks.map((line) => [...line].length));
    assert.ok(widths.size === 1 && [...widths].every((width) => width > 40 && width <= columns), `${[...widths]}`);
  }
});

/** The words are the same with and without a terminal; only the numbers differ. */
async function sameWords(argv: readonly string[], host: NetworkHost, env: Record<string, string>): Promise<void> {
  const words = (text: string) => text.replaceAll(/\d+/g, '0').replaceAll('\r', '').trimEnd();
  const piped = await host.run(argv, { env: terminalEnv(env) });
  assert.ok(!piped.stdout.includes(ESCAPE) && piped.stdout !== '', piped.stderr);
  const kinds = [...WIDTHS.map((columns) => [columns, {}] as const), [80, DUMB] as const, [80, NO_COLOR] as const];
  for (const [columns, kind] of kinds) {
    const { stdout } = await onTerminal(argv, { columns, host, env: { ...env, ...kind } });
    assert.equal(words(stdout), words(piped.stdout), `${columns} columns, ${JSON.stringify(kind)}`);
  }
}

for (const [view, only] of [
  ['status', options],
  ['doctor', whenLong],
] as const) {
  test(`${view} is the same lines on every terminal and without one`, only, async () => {
    // At an unopened door: a door that another test opened could close between two checks.
    await using quiet = await Bastion.create();
    const { uri: own } = await quiet.enroll('laptop');
    await quiet.start();
    const env = await home(quiet, own);
    if (view === 'doctor') await sameWords([...quiet.clientCommand, 'doctor', 'b1'], quiet.client, env);
    else await sameWords([...quiet.serverCommand, 'status', '-c', quiet.configFile], quiet.server, env);
  });
}

test('a daemon that is not healthy is red on a terminal, and nowhere else', options, async () => {
  await bastion.network.unplug(bastion.server);
  await bastion.daemon.waitForLine(/deaf|not listening|does not hear|gone/);
  const status = ofServer('status');
  const [color, colorless, dumb, piped] = await Promise.all([
    onTerminal(status, { columns: 40, host: bastion.server }),
    onTerminal(status, { columns: 40, host: bastion.server, env: NO_COLOR }),
    onTerminal(status, { columns: 40, host: bastion.server, env: DUMB }),
    bastion.server.run(status, { env: terminalEnv() }),
  ]);
  assert.ok(color.stdout.includes(`${ESCAPE}[31mNOT HEALTHY`), color.stdout);
  for (const { stdout } of [colorless, dumb, piped]) {
    assert.match(stdout, /NOT HEALTHY/);
    assert.ok(!stdout.includes(ESCAPE), stdout);
  }
});
