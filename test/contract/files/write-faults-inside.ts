/**
 * Run by write-faults.test.ts inside namespaces: each writing system call of one knock fails, one after the other. What
 * must hold each time: no command runs before the spend is durable, no factor is used twice, the daemon lives, the next
 * factor works after the fault, and every opening is closed.
 */
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import Database from 'better-sqlite3';
import { FedProcess } from '../../support/daemon/fed-process.ts';
import { FedWorld, type Sent } from '../../support/daemon/fed-world.ts';
import { expressionsOf, type Fault, Sabotage, WRITING_CALLS } from '../../support/faults/strace.ts';

const everyCall = process.env['KNOCK_OTP_EVERY_CALL'] === 'true';
/** More calls of one kind than a knock makes. */
const MOST = 40;
const root = mkdtempSync(join(tmpdir(), 'knock-otp-faults-'));
after(() => rmSync(root, { recursive: true, force: true }));
const world = new FedWorld(root);
const filesOf = ({ dir }: FedWorld) => [
  ...['state.db', 'state.db-wal', 'state.db-shm', 'state.db-journal'].map((name) => join(dir, 'state', name)),
  ...['state', 'lines', 'log', '.'].map((name) => join(dir, name)),
];

const errors = everyCall ? ['EIO', 'ENOSPC', 'EROFS'] : ['EIO'];
const calls = everyCall ? WRITING_CALLS : (['pwrite64', 'fsync', 'fdatasync'] as const);
/** SQLite makes a commit durable with fsync; a strike in a file uses fdatasync. */
const FIRST = new Map([
  ['fsync', 'factor 1'],
  ['fdatasync', 'line 1'],
]);

for (const [errno, call] of errors.flatMap((error) => calls.map((name) => [error, name] as const))) {
  test(`when ${call} fails with ${errno} then nothing opens that is not stored, and the next knock opens`, async (t) => {
    // A known limit, not tested here: used lines that could not be struck are live again in the next daemon.
    world.newLines();
    // A new daemon for each: after an unconfirmed write, strikes use other calls.
    await using daemon = await FedProcess.start(world);
    const outcomes: string[] = [];
    for (const kind of ['factor', 'line'] as const) {
      for (let nth = 1; nth <= (everyCall ? MOST : 1); nth += 1) {
        const outcome = await oneFault(daemon, kind, { call, what: `error=${errno}`, when: `${nth}` });
        if (outcome === undefined) break;
        outcomes.push(`${kind} ${nth}: ${outcome}`);
      }
    }
    t.diagnostic(`${call} ${errno}: ${outcomes.join(', ') || 'not called'}`);
    const first = FIRST.get(call);
    if (first !== undefined) assert(outcomes.includes(`${first}: not opened`), outcomes.join());
    await atRest(daemon);
    world.assertUsedOnce();
  });
}

test('when every writing call fails for a while then doors close all the same, and the books are put right after it', async () => {
  await using daemon = await FedProcess.start(world);
  const opened = world.factor(0);
  assert.equal(await daemon.knock(opened), 'opened');
  {
    await using _all = await begin(daemon, { call: [...WRITING_CALLS], what: 'error=EIO', when: '1+' });
    await daemon.process.waitForLine(new RegExp(`\\bclosed\\b.*source=${opened.source}\\b`));
    assert.deepEqual(world.unstopped(), []);
    const lost = world.factor(0);
    assert.equal(await daemon.knock(lost), 'not opened');
    const line = world.line({ untried: true });
    assert.equal(await daemon.knock(line), 'not opened');
  }
  await daemon.process.waitForLine(/what was used is now stored.*client=c0/);
  assert.equal(await daemon.knock(world.factor(0)), 'opened');
  await daemon.kill();
  // The journal still has the grant that was closed while it could not be written. The next daemon closes it again.
  await using next = await FedProcess.start(world);
  await atRest(next);
  world.assertUsedOnce();
});

test('when the disk takes its time then nothing opens before it is done, and what came meanwhile is heard', async () => {
  await using daemon = await FedProcess.start(world);
  const knocks = [world.factor(1), world.factor(2), world.factor(3)];
  await using _slow = await begin(daemon, { call: 'fsync', what: 'delay_enter=700ms', when: '1' });
  const mark = daemon.process.mark;
  const sentAt = performance.now();
  for (const sent of knocks) daemon.send(sent);
  for (const { source } of knocks) {
    await daemon.process.waitForLine(new RegExp(`opened .*source=${source}\\b`), mark);
    assert(performance.now() - sentAt >= 700, 'opened before the first fsync had returned');
  }
  await atRest(daemon);
});

const logFile = join(world.dir, 'log');
const pidFile = join(world.dir, 'pid');

test('when the log cannot be written then knocks open, doors close, and the log says later what it lacks', async () => {
  await using daemon = await FedProcess.start(world);
  {
    await using _mute = await Sabotage.begin(daemon.process.pid, {
      ...{ call: 'write', what: 'error=ENOSPC', when: '1+', paths: [logFile] },
    });
    for (const at of [0, 1]) assert.equal(await daemon.knock(world.factor(at)), 'opened');
    await atRest(daemon);
  }
  const until = Date.now() + 10_000;
  while (!/ lines of the log could not be written lines=\d/.test(readFileSync(logFile, 'latin1'))) {
    assert(Date.now() < until, readFileSync(logFile, 'latin1').slice(-1000));
    assert.equal(await daemon.knock(world.factor(0)), 'opened');
  }
});

test('when the disk of the log stands still then knocks open as fast as ever', async () => {
  await using daemon = await FedProcess.start(world);
  await using _slow = await Sabotage.begin(daemon.process.pid, {
    ...{ call: 'write', what: 'delay_enter=5s', when: '1', paths: [logFile] },
  });
  const from = performance.now();
  for (const at of [0, 1, 2]) assert.equal(await daemon.knock(world.factor(at)), 'opened');
  assert(performance.now() - from < 4000, `three knocks took ${Math.round(performance.now() - from)} ms`);
});

test('when the pid file cannot be written then the daemon says so and ends; when it cannot be removed the doors are shut all the same', async () => {
  for (const errno of ['EIO', 'ENOSPC', 'EROFS'] as const) {
    const fault = { call: 'write', what: `error=${errno}`, when: '1', paths: [pidFile] } as const;
    const daemon = FedProcess.launch(world, ['strace', '-f', '-o', '/dev/null', ...expressionsOf(fault)]);
    const { code, stderr } = await daemon.process.finished();
    assert.notEqual(code, 0);
    assert.match(stderr, new RegExp(`cannot write the pid file ${pidFile}: ${errno}`));
  }
  const fault = { call: 'unlink', what: 'error=EROFS', when: '1+', paths: [pidFile] } as const;
  await using daemon = FedProcess.launch(world, ['strace', '-f', '-o', '/dev/null', ...expressionsOf(fault)]);
  await daemon.process.waitForLine(/\bready\b/, 0, 60_000);
  assert.equal(await daemon.knock(world.factor(0)), 'opened');
  // The daemon reads packets from stdin, and ends with stdin.
  const { code, stderr } = await daemon.process.endInput();
  assert.equal(code, 0, stderr.slice(-1000));
  assert.match(stderr, /cannot remove the pid file .*EROFS/);
  assert.deepEqual(world.unstopped(), []);
});

/** One knock with the fault, and what must hold after it. Undefined when the fault hit no call. */
async function oneFault(daemon: FedProcess, kind: 'factor' | 'line', fault: Fault): Promise<string | undefined> {
  const make = (): Sent => (kind === 'factor' ? world.factor(0) : world.line({ untried: true }));
  const sent = make();
  const sabotage = await begin(daemon, fault);
  let outcome: string;
  let seen: string;
  try {
    outcome = await daemon.knock(sent);
  } finally {
    seen = await sabotage.end();
  }
  const where = `${kind}, ${fault.call} ${fault.when}`;
  assert(!daemon.process.ended, `${where}: the daemon ended: ${daemon.process.stderr.slice(-1000)}`);
  const commands = world.calls().filter(({ verb, source }) => verb === 'start' && source === sent.source).length;
  assert.equal(commands, outcome === 'opened' ? 1 : 0, `${where}: ${outcome}, and ${commands} commands`);
  if (kind === 'factor' && outcome === 'opened') assertStored(sent.use, where);
  const replay = world.again(sent.use);
  daemon.send(replay);
  // Sent after the replay: when this knock has opened, the replay has been judged.
  assert.equal(await daemon.knock(make()), 'opened', `${where}: the next knock`);
  assert(!world.calls().some(({ source }) => source === replay.source), `${where}: a replay opened`);
  return seen.includes('(INJECTED)') ? outcome : undefined;
}

/** Checks that a copy of the current files, as after a crash of the process, has the factor as spent. */
function assertStored(use: string, where: string): void {
  const copy = mkdtempSync(join(root, 'copy-'));
  for (const name of ['state.db', 'state.db-wal']) cpSync(join(world.dir, 'state', name), join(copy, name));
  const database = new Database(join(copy, 'state.db'));
  const [client = '', factor = ''] = use.split('#');
  const row = database.prepare('SELECT spent FROM factors WHERE client = ?').get(client) as
    | { spent: number }
    | undefined;
  database.close();
  assert((row?.spent ?? -1) >= Number(factor), `${where}: opened, and the store has ${row?.spent} of ${factor}`);
}

async function begin(daemon: FedProcess, fault: Fault): Promise<Sabotage> {
  return await Sabotage.begin(daemon.process.pid, { ...fault, paths: filesOf(world) });
}

async function atRest(daemon: FedProcess): Promise<void> {
  const until = Date.now() + 20_000;
  while (world.open().length > 0 || world.unstopped().length > 0) {
    assert(Date.now() < until, `still open: ${world.open().join()}\n${daemon.process.stderr.slice(-2000)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
