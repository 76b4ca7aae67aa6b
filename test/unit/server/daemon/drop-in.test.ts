/** The daemon in knockd's place: doors with written-down sequences, from packets to commands, log and journal. */
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import type { ConfiguredDoor } from '../../../../server/config/config.ts';
import { KnockError } from '../../../../shared/errors.ts';
import type { Pair } from '../../../../shared/knock.ts';
import { address } from '../../../support/core/doors.ts';
import { fileDoor, knockdLines, staticDoor } from '../../../support/core/written-doors.ts';
import { type BenchOptions, DaemonBench } from '../../../support/daemon/daemon-bench.ts';

const SOURCE = address('192.0.2.7');
const OTHER = address('192.0.2.8');
const SOURCE6 = address('2001:db8::9');
const OPEN: readonly Pair[] = [7000, 8000, 9000];
const CLOSE: readonly Pair[] = [9000, 8000, 7000];
const running: DaemonBench[] = [];

async function started(doors: readonly ConfiguredDoor[], more: Omit<BenchOptions, 'doors'> = {}): Promise<DaemonBench> {
  const bench = new DaemonBench([], {}, undefined, { ...more, doors });
  running.push(bench);
  await bench.daemon.start();
  await bench.settled();
  bench.events.length = 0;
  return bench;
}

async function knock(bench: DaemonBench, pairs: readonly Pair[], source = SOURCE): Promise<void> {
  for (const pair of pairs) bench.packet(pair, source);
  await bench.settled();
}

afterEach(async () => {
  for (const bench of running.splice(0)) await bench.daemon.stop();
});

test("when a static door opens and closes then the log has knockd's lines and none of ours", async () => {
  const bench = await started([staticDoor('openSSH', OPEN, { stop: '/bin/close %IP%' })]);
  await knock(bench, OPEN);
  bench.pass(10_001);
  while (!bench.events.includes('forget')) await bench.settled();
  assert.deepEqual(knockdLines(bench), [
    '192.0.2.7: openSSH: Stage 1',
    '192.0.2.7: openSSH: Stage 2',
    '192.0.2.7: openSSH: Stage 3',
    '192.0.2.7: openSSH: OPEN SESAME',
    '192.0.2.7: openSSH: command timeout',
  ]);
  assert.deepEqual(bench.events, ['open openSSH', 'confirm', 'close openSSH', 'forget']);
  assert.doesNotMatch(bench.lines.join('\n'), /info (opened|closed)/);
});

test('when a door has no stop command then each knock runs its command, and nothing is kept or closed', async () => {
  const bench = await started([staticDoor('openSSH', OPEN), staticDoor('closeSSH', CLOSE)]);
  await knock(bench, OPEN);
  bench.pass(10_000);
  await knock(bench, OPEN);
  bench.pass(10_000);
  await knock(bench, CLOSE);
  assert.deepEqual(bench.daemon.status().grants, []);
  bench.pass(60_000);
  await bench.settled();
  assert.deepEqual((await bench.store.load()).grants, []);
  await bench.daemon.stop();
  running.length = 0;
  assert.deepEqual(bench.events, ['open openSSH', 'open openSSH', 'open closeSSH']);
});

test('when open and close are knocked at once then their commands run in the order of the knocks', async () => {
  const bench = await started([staticDoor('openSSH', OPEN), staticDoor('closeSSH', CLOSE)]);
  let letGo: () => void = () => {};
  bench.firewall.gate = new Promise((resolve) => {
    letGo = resolve;
  });
  await knock(bench, OPEN);
  bench.firewall.gate = Promise.resolve();
  await knock(bench, CLOSE);
  assert.deepEqual(bench.events, [], 'the first command is still under way');
  letGo();
  await bench.settled();
  assert.deepEqual(bench.events, ['open openSSH', 'open closeSSH']);
});

test('when only IPv6 has a stop command then only IPv6 is a grant', async () => {
  const bench = await started([staticDoor('openSSH', OPEN, { stop6: '/bin/close %IP%' })]);
  await knock(bench, OPEN);
  assert.deepEqual(bench.daemon.status().grants, []);
  await knock(bench, OPEN, SOURCE6);
  assert.deepEqual(
    bench.daemon.status().grants.map(({ source }) => source),
    ['2001:db8::9'],
  );
});

test('when the command fails then there is no OPEN SESAME, and the failure is said', async () => {
  const bench = await started([staticDoor('openSSH', OPEN)]);
  bench.firewall.refuseOpen = true;
  await knock(bench, OPEN);
  assert.ok(!knockdLines(bench).some((line) => line.includes('OPEN SESAME')));
  assert.match(bench.lines.join('\n'), /error not opened: the door did not move door=openSSH/);
});

test('when anybody hits first ports at will then the log has a bounded number of lines a minute', async () => {
  const bench = await started([staticDoor('openSSH', OPEN)]);
  for (let i = 1; i < 5000; i += 1) bench.packet(7000, address(`198.18.${i >> 8}.${i & 255}`));
  await knock(bench, OPEN);
  const lines = knockdLines(bench);
  assert.equal(lines.filter((line) => line.endsWith('Stage 1')).length, 20);
  assert.deepEqual(lines.slice(20), [
    '192.0.2.7: openSSH: Stage 2',
    '192.0.2.7: openSSH: Stage 3',
    '192.0.2.7: openSSH: OPEN SESAME',
  ]);
});

test('when a known sequence is sent from thousands of forged sources then openings under way are bounded', async () => {
  const bench = await started([staticDoor('openSSH', [7000])]);
  let letGo: () => void = () => {};
  bench.firewall.gate = new Promise((resolve) => {
    letGo = resolve;
  });
  for (let i = 1; i < 2000; i += 1) bench.packet(7000, address(`198.18.${i >> 8}.${i & 255}`));
  await bench.settled();
  letGo();
  while (bench.daemon.status().counters['opened'] !== 256) await bench.settled();
  assert.equal(bench.events.length, 256);
  assert.ok(bench.lines.filter((line) => line.includes('refused: busy')).length <= 5);
  await knock(bench, [7000], OTHER);
  assert.equal(bench.events.length, 257, 'and there is room again');
});

test('when a line of a file is used then it is struck before anything opens', async () => {
  const lines = {
    strike: async (door: string, line: number) => {
      bench.events.push(`strike ${door} ${line}`);
    },
  };
  const bench = await started([fileDoor('ssh2')], { lines });
  bench.daemon.setLines('ssh2', [{ id: 4, pairs: OPEN }]);
  await knock(bench, OPEN);
  assert.deepEqual(bench.events, ['strike ssh2 4', 'open ssh2']);
  assert.equal(bench.daemon.status().doors.find(({ name }) => name === 'ssh2')?.linesLeft, 0);
});

test('when a line cannot be struck then nothing opens, and it is tried again; when it was used elsewhere it is not', async () => {
  let code: 'STORE' | 'FACTOR_USED' = 'STORE';
  const lines = { strike: () => Promise.reject(new KnockError(code, 'no')) };
  const bench = await started([fileDoor('ssh2')], { lines });
  bench.daemon.setLines('ssh2', [{ id: 1, pairs: OPEN }]);
  await knock(bench, OPEN);
  assert.equal(bench.daemon.status().counters['unwrittenSpends'], 1);
  code = 'FACTOR_USED';
  bench.daemon.setLines('ssh2', [{ id: 2, pairs: CLOSE }]);
  await knock(bench, CLOSE);
  assert.equal(bench.daemon.status().counters['unwrittenSpends'], 1);
  assert.deepEqual(bench.events, []);
  assert.match(bench.lines.join('\n'), /error not opened: what was used could not be stored door=ssh2/);
});

test('when IPv6 is to be ignored then its packets are as if they had not come', async () => {
  const bench = await started([staticDoor('openSSH', OPEN)], { ipv4Only: true });
  await knock(bench, OPEN, SOURCE6);
  assert.deepEqual([bench.events, knockdLines(bench)], [[], []]);
  await knock(bench, OPEN);
  assert.deepEqual(bench.events, ['open openSSH']);
});

test('when names are looked up then only of sources that have opened a door, and nothing waits for the answer', async () => {
  const asked: string[] = [];
  let answer: (name: string | undefined) => void = () => {};
  const bench = await started([staticDoor('openSSH', OPEN)], {
    nameOf: (source) => {
      asked.push(source);
      return new Promise((resolve) => {
        answer = resolve;
      });
    },
  });
  await knock(bench, [7000, 8000], OTHER);
  assert.deepEqual(asked, [], 'a name server would tell who sees it that somebody has hit a port of a sequence');
  await knock(bench, OPEN);
  assert.deepEqual(asked, [SOURCE]);
  assert.equal(knockdLines(bench).at(-1), '192.0.2.7: openSSH: OPEN SESAME');
  answer('host.example.org');
  await bench.settled();
  assert.match(
    bench.lines.join('\n'),
    /info name of the source door=openSSH source=192\.0\.2\.7 name=host\.example\.org/,
  );
});

test('when sequences are knocked then no line of the log holds a port of one', async () => {
  const bench = await started([staticDoor('openSSH', OPEN), fileDoor('ssh2')]);
  bench.daemon.setLines('ssh2', [
    { id: 1, pairs: [7001, 8003, 7002] },
    { id: 2, pairs: [9001, 9003, 9002] },
  ]);
  await knock(bench, OPEN);
  await knock(bench, [7001, 8003, 7002]);
  await knock(bench, [7001, 8003, 7002], OTHER);
  const text = bench.lines.join('\n');
  assert.match(text, /refused: contested/);
  for (const port of [...OPEN, 7001, 8003, 7002, 9001, 9003, 9002])
    assert.doesNotMatch(text, new RegExp(`\\b${port}\\b`));
});
