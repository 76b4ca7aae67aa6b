/**
 * What is wrong with knockd 0.8, found in its source and by running it: each test fails on its behaviour. Here are those
 * that the daemon's decisions answer for; those of files are in one-time-file and one-time-files, those of interfaces in
 * e2e/capture, those of processes in command-doors.
 */
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import type { ConfiguredDoor } from '../../../../server/config/config.ts';
import { KnockError } from '../../../../shared/errors.ts';
import type { Pair } from '../../../../shared/knock.ts';
import { address, enrolment } from '../../../support/core/doors.ts';
import { fileDoor, knockdLines, staticDoor } from '../../../support/core/written-doors.ts';
import { DaemonBench } from '../../../support/daemon/daemon-bench.ts';

const SOURCE = address('192.0.2.7');
const NOISE = address('192.0.2.66');
const SOURCE6 = address('2001:db8::9');
const KNOCK: readonly Pair[] = [7000, 8000, 9000];
const STOP = { stop: '/bin/close %IP%' };
const running: DaemonBench[] = [];

async function started(...doors: readonly ConfiguredDoor[]): Promise<DaemonBench> {
  const bench = new DaemonBench([], {}, undefined, { doors });
  running.push(bench);
  await bench.daemon.start();
  await bench.settled();
  bench.events.length = 0;
  return bench;
}

async function opens(bench: DaemonBench, pairs: readonly Pair[], source = SOURCE): Promise<string[]> {
  const before = bench.events.length;
  for (const pair of pairs) bench.packet(pair, source);
  await bench.settled();
  return bench.events.slice(before).filter((event) => event.startsWith('open'));
}

afterEach(async () => {
  for (const bench of running.splice(0)) await bench.daemon.stop();
});

const repeated: readonly { pairs: Pair[]; why: string }[] = [
  { pairs: [7000, 7000, 8000, 9000], why: 'the first SYN is sent again' },
  { pairs: [7000, 8000, 8000, 9000], why: 'the second' },
  { pairs: [7000, 8000, 7000, 9000], why: 'the first comes again late' },
  { pairs: [8000, 7000, 8000, 9000], why: 'what went before was wrong' },
  { pairs: [7000, 9000, 7000, 8000, 9000], why: 'a failed attempt is followed by a good one at once' },
];

for (const { pairs, why } of repeated) {
  test(`1.3 a duplicate kills a knock, and a wrong packet the next one: here ${pairs.join()} opens (${why})`, async () => {
    const bench = await started(staticDoor('openSSH', KNOCK));
    assert.deepEqual(await opens(bench, pairs), ['open openSSH']);
  });
}

test('1.3 a wrong port that no door has is not seen: here it is a stray, and three knocks forgive none', async () => {
  const bench = await started(staticDoor('openSSH', KNOCK));
  assert.deepEqual(await opens(bench, [7000, 1234, 8000, 9000]), []);
});

test('1.3 a scan of ports opens the door of the default configuration: here none does, in either direction', async () => {
  const bench = await started(staticDoor('openSSH', KNOCK), staticDoor('closeSSH', KNOCK.toReversed()));
  const ports = Array.from({ length: 65_535 }, (_, at) => at + 1);
  assert.deepEqual(await opens(bench, ports), []);
  assert.deepEqual(await opens(bench, ports.toReversed()), []);
});

test('1.3 an attempt keeps its source from beginning at another door: here each door has its own', async () => {
  const bench = await started(staticDoor('a', [7000, 8000, 9000, 9500]), staticDoor('b', [6000, 6600, 6300, 6100]));
  assert.deepEqual(await opens(bench, [7000, 6000, 6600, 6300, 6100]), ['open b']);
});

test('1.3 a timeout counts whole seconds and is noticed late: here it is exact', async () => {
  for (const [gapMs, wanted] of [
    [2499, ['open openSSH']],
    [2500, []],
  ] as const) {
    const bench = await started(staticDoor('openSSH', KNOCK));
    bench.packet(7000, SOURCE);
    bench.pass(gapMs);
    bench.packet(8000, SOURCE);
    bench.pass(gapMs);
    assert.deepEqual(await opens(bench, [9000]), wanted, `${gapMs} ms between knocks, 5 s for all, 1 ms a packet`);
  }
});

test('1.3 a second knock opens twice and the first close shuts both: here there is one opening, and its end moves', async () => {
  const bench = await started(staticDoor('openSSH', KNOCK, STOP));
  await opens(bench, KNOCK);
  bench.pass(9000);
  await opens(bench, KNOCK);
  bench.pass(2000);
  await bench.settled();
  assert.equal(bench.daemon.status().grants.length, 1, 'the first end has passed');
  bench.pass(9000);
  while (!bench.events.includes('forget')) await bench.settled();
  assert.equal(bench.events.filter((event) => event === 'close openSSH').length, 1);
});

test('1.4 after SIGKILL the port stays open for ever: here the next start closes it', async () => {
  const before = await started(staticDoor('openSSH', KNOCK, STOP));
  await opens(before, KNOCK);
  const bench = new DaemonBench([], {}, before.store, { doors: [staticDoor('openSSH', KNOCK, STOP)] });
  running.push(bench);
  bench.wallMs = before.wallMs;
  bench.pass(60_000);
  await bench.daemon.start();
  while (!bench.events.includes('close openSSH')) await bench.settled();
  assert.deepEqual(bench.daemon.status().grants, []);
});

test('1.4 SIGTERM waits for a sleeping child: here what is open is closed, and the daemon ends', async () => {
  const bench = await started(staticDoor('openSSH', KNOCK, STOP));
  await opens(bench, KNOCK);
  await bench.daemon.stop();
  running.length = 0;
  assert.deepEqual(bench.events.slice(-2), ['close openSSH', 'forget']);
});

test('1.4 after a start command that failed the stop command waits all the same: here it is undone at once', async () => {
  const bench = await started(staticDoor('openSSH', KNOCK, STOP));
  bench.firewall.refuseOpen = true;
  await opens(bench, KNOCK);
  assert.deepEqual(bench.events, ['close openSSH', 'forget']);
  assert.deepEqual(bench.daemon.status().grants, []);
});

test('1.5 the line is struck after the command: here nothing opens when it cannot be struck', async () => {
  const lines = { strike: () => Promise.reject(new KnockError('STORE', 'no space left on device')) };
  const bench = new DaemonBench([], {}, undefined, { doors: [fileDoor('ssh2')], lines });
  running.push(bench);
  await bench.daemon.start();
  bench.daemon.setLines('ssh2', [{ id: 1, pairs: KNOCK }]);
  assert.deepEqual(await opens(bench, KNOCK), []);
  assert.deepEqual(await opens(bench, KNOCK, NOISE), [], 'and not for somebody else either');
});

test('1.5 progress on one line carries over to the next: here it is void', async () => {
  const bench = await started(fileDoor('ssh2'));
  bench.daemon.setLines('ssh2', [
    { id: 1, pairs: KNOCK },
    { id: 2, pairs: [7000, 8000, 9000, 6000, 6600] },
    { id: 3, pairs: [6600, 1000, 2000] },
  ]);
  assert.deepEqual(await opens(bench, KNOCK), ['open ssh2']);
  assert.deepEqual(await opens(bench, [6000, 6600]), [], 'the last knocks of a longer line are not enough');
  assert.deepEqual(await opens(bench, [7000, 8000, 9000, 6000, 6600]), ['open ssh2']);
  assert.deepEqual(await opens(bench, [1000, 2000]), []);
});

test('1.5 over IPv6 a second one-time knock never works: here it does', async () => {
  const bench = await started(fileDoor('ssh2'));
  bench.daemon.setLines('ssh2', [
    { id: 1, pairs: KNOCK },
    { id: 2, pairs: [6600, 1000, 2000] },
  ]);
  assert.deepEqual(await opens(bench, KNOCK, SOURCE6), ['open ssh2']);
  assert.deepEqual(await opens(bench, [6600, 1000, 2000], SOURCE6), ['open ssh2']);
});

test('1.5 the last line ends the daemon, and so every door: here it ends that door', async () => {
  const bench = await started(fileDoor('ssh2'), staticDoor('other', [5000, 6000, 5500]));
  bench.daemon.setLines('ssh2', [{ id: 1, pairs: KNOCK }]);
  assert.deepEqual(await opens(bench, KNOCK), ['open ssh2']);
  assert.deepEqual(await opens(bench, KNOCK), []);
  assert.deepEqual(await opens(bench, [5000, 6000, 5500]), ['open other']);
});

test('1.5 a file without a line is an error at the start for all doors: here the others work', async () => {
  const bench = await started(fileDoor('ssh2'), staticDoor('other', [5000, 6000, 5500]));
  bench.daemon.setLines('ssh2', []);
  assert.deepEqual(await opens(bench, [5000, 6000, 5500]), ['open other']);
  assert.equal(bench.daemon.status().doors.find(({ name }) => name === 'ssh2')?.linesLeft, 0);
});

test("1.6 one host's noise halves everybody's success: here it changes nothing", async () => {
  const bench = await started(staticDoor('openSSH', KNOCK));
  for (let turn = 0; turn < 40; turn += 1) {
    for (const pair of KNOCK) {
      for (const noise of [7000, 9000, 7000]) bench.packet(noise, NOISE);
      bench.packet(pair, SOURCE);
    }
    await bench.settled();
    bench.pass(20_000);
  }
  assert.equal(bench.events.filter((event) => event === 'open openSSH').length, 40);
});

test('1.6 attempts are never bounded, and each is a line of the log: here both are', async () => {
  const bench = await started(staticDoor('openSSH', KNOCK));
  for (let i = 0; i < 100_000; i += 1) {
    bench.daemon.takeArrival(
      bench.monoMs,
      address(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`),
      address('203.0.113.1'),
      7000,
      2,
    );
  }
  assert.ok((bench.daemon.status().counters['trackedSources'] ?? 0) <= 65_536 + 8_192);
  assert.ok(knockdLines(bench).length <= 20);
  assert.deepEqual(await opens(bench, KNOCK), ['open openSSH']);
});

test('1.7 a configuration that cannot be read again ends the daemon: here what was known stays in force', async () => {
  const bench = new DaemonBench([enrolment('laptop')], {}, undefined, { doors: [staticDoor('ssh2', KNOCK)] });
  running.push(bench);
  await bench.daemon.start();
  Object.defineProperty(bench, 'enrolments', {
    get: () => {
      throw new KnockError('CONFIG_INVALID', 'a problem with the configuration');
    },
  });
  await assert.rejects(bench.daemon.reloadClients(), { code: 'CONFIG_INVALID' });
  assert.deepEqual(await opens(bench, KNOCK), ['open ssh2']);
});
