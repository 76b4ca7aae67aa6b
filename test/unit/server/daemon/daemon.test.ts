import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import type { DoorPolicy, Enrolment } from '../../../../server/core/door.ts';
import { address, enrolment, pairsFor } from '../../../support/core/doors.ts';
import { DaemonBench, type WatchedStore } from '../../../support/daemon/daemon-bench.ts';

const SOURCE = address('192.0.2.7');
const OTHER = address('2001:db8::9');
const laptop = enrolment('laptop');
const phone = enrolment('phone');
const running: DaemonBench[] = [];

async function started(
  clients: readonly Enrolment[] = [laptop, phone],
  changes: Partial<DoorPolicy> = {},
  store?: WatchedStore,
): Promise<DaemonBench> {
  const bench = new DaemonBench(clients, changes, store);
  running.push(bench);
  await bench.daemon.start();
  await bench.settled();
  bench.events.length = 0;
  return bench;
}

afterEach(async () => {
  for (const bench of running.splice(0)) await bench.daemon.stop();
});

test('a knock spends, then opens, then confirms, in this order', async () => {
  const bench = await started();
  bench.knock(laptop, 1000, SOURCE);
  await bench.settled();
  assert.deepEqual(bench.events, ['spend', 'open ssh', 'confirm']);
  assert.match(bench.lines.join('\n'), /info opened door=ssh source=192\.0\.2\.7 client=laptop seconds=30/);
});

test('when the spend cannot be stored then nothing opens, the log says why, and the daemon lives', async () => {
  const bench = await started();
  bench.store.failing.add('spend');
  bench.knock(laptop, 1000, SOURCE);
  await bench.settled();
  assert.deepEqual(bench.events, ['spend failed']);
  assert.match(bench.lines.join('\n'), /error not opened: what was used could not be stored .*no space left/);
  bench.store.failing.clear();
  bench.knock(phone, 1000, SOURCE);
  await bench.settled();
  assert.deepEqual(bench.events.slice(1), ['spend', 'open ssh', 'confirm']);
});

test('when the spend could not be stored then the sequence stays spent, also when the disk is fine again', async () => {
  const bench = await started();
  bench.store.failing.add('spend');
  bench.knock(laptop, 1000, SOURCE);
  await bench.settled();
  bench.store.failing.clear();
  bench.knock(laptop, 1000, OTHER);
  await bench.settled();
  assert.deepEqual(bench.events, ['spend failed']);
  assert.equal(bench.daemon.status().counters['unwrittenSpends'], 1);
});

test('when the firewall refuses then the grant is undone once and forgotten', async () => {
  const bench = await started();
  bench.firewall.refuseOpen = true;
  bench.knock(laptop, 1000, SOURCE);
  await bench.settled();
  assert.deepEqual(bench.events, ['spend', 'close ssh', 'forget']);
  assert.deepEqual(bench.daemon.status().grants, []);
});

test('when the journal cannot be confirmed then the door is open all the same, and will be closed', async () => {
  const bench = await started();
  bench.store.failing.add('confirm');
  bench.knock(laptop, 1000, SOURCE);
  await bench.settled();
  assert.equal(bench.daemon.status().grants.length, 1);
  await bench.daemon.stop();
  assert.deepEqual(bench.events, ['spend', 'open ssh', 'confirm failed', 'close ssh', 'forget']);
  running.length = 0;
});

test('a grant is closed when its time has come, once', async () => {
  const bench = await started([laptop], { grantMs: 40 });
  bench.knock(laptop, 1000, SOURCE);
  await bench.settled();
  bench.pass(41);
  while (!bench.events.includes('forget')) await bench.settled();
  bench.pass(5000);
  await bench.settled();
  assert.deepEqual(bench.events, ['spend', 'open ssh', 'confirm', 'close ssh', 'forget']);
});

test('a second knock while the door is open moves its end: one open grant, one close', async () => {
  const bench = await started([laptop], { grantMs: 60 });
  bench.knock(laptop, 1000, SOURCE);
  await bench.settled();
  bench.pass(50);
  bench.knock(laptop, 1001, SOURCE);
  await bench.settled();
  bench.pass(30);
  await bench.settled();
  assert.equal(bench.daemon.status().grants.length, 1);
  bench.pass(61);
  while (!bench.events.includes('forget')) await bench.settled();
  assert.deepEqual(
    bench.events.filter((event) => event.startsWith('close')),
    ['close ssh'],
  );
  assert.match(bench.lines.join('\n'), /extended door=ssh/);
});

test('when a close fails then it is tried again until it works, and the grant is kept till then', async () => {
  const bench = await started([laptop], { grantMs: 20 });
  bench.firewall.refuseClose = 1;
  bench.knock(laptop, 1000, SOURCE);
  await bench.settled();
  bench.pass(21);
  while (!bench.lines.some((line) => line.includes('will try again'))) await bench.settled();
  assert.equal(bench.daemon.status().grants.length, 1);
  while (!bench.events.includes('forget')) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(bench.events.slice(3), ['close ssh', 'forget']);
});

test('stopping closes what is open', async () => {
  const bench = await started();
  bench.knock(laptop, 1000, SOURCE);
  bench.knock(phone, 1000, OTHER);
  await bench.settled();
  await bench.daemon.stop();
  running.length = 0;
  assert.equal(bench.events.filter((event) => event === 'close ssh').length, 2);
});

test('after a crash a confirmed grant goes on for what is left, and an unconfirmed one is closed at once', async () => {
  const before = await started();
  before.knock(laptop, 1000, SOURCE);
  await before.settled();
  before.store.failing.add('confirm');
  before.knock(phone, 1000, OTHER);
  await before.settled();
  // The first daemon is dropped where it stands; the second one starts on what the store holds.
  before.store.failing.clear();
  const bench = new DaemonBench([laptop, phone], {}, before.store);
  running.push(bench);
  bench.pass(10_000);
  await bench.daemon.start();
  await bench.settled();
  const grants = bench.daemon.status().grants;
  assert.deepEqual(
    grants.map(({ client, source }) => [client, source]),
    [['laptop', '192.0.2.7']],
  );
  assert.ok((grants[0]?.remainingSeconds ?? 0) <= 21);
  assert.deepEqual(
    bench.events.filter((event) => event.startsWith('close')),
    ['close ssh'],
  );
});

test('after a restart the spent sequence is a replay', async () => {
  const before = await started();
  before.knock(laptop, 1000, SOURCE);
  await before.settled();
  const bench = new DaemonBench([laptop, phone], {}, before.store);
  running.push(bench);
  await bench.daemon.start();
  await bench.settled();
  bench.knock(laptop, 1000, OTHER);
  await bench.settled();
  assert.deepEqual(
    bench.events.filter((event) => event.startsWith('open')),
    [],
  );
});

test('a revoked client loses its sequences and its grants without a restart, the others keep theirs', async () => {
  const bench = await started();
  bench.knock(laptop, 1000, SOURCE);
  bench.knock(phone, 1000, OTHER);
  await bench.settled();
  bench.enrolments = [phone];
  assert.deepEqual(await bench.daemon.reloadClients(), { added: 0, removed: 1 });
  await bench.settled();
  assert.deepEqual(
    bench.daemon.status().grants.map(({ client }) => client),
    ['phone'],
  );
  bench.events.length = 0;
  bench.knock(laptop, 1001, SOURCE);
  await bench.settled();
  assert.deepEqual(bench.events, []);
});

test('an enrolled client can knock without a restart', async () => {
  const bench = await started([laptop]);
  bench.enrolments = [laptop, phone];
  await bench.daemon.reloadClients();
  await bench.settled();
  bench.knock(phone, 1000, SOURCE);
  await bench.settled();
  assert.ok(bench.events.includes('open ssh'));
});

test('when somebody flushes the firewall then the guard is put back with the open grants', async () => {
  const bench = await started();
  bench.knock(laptop, 1000, SOURCE);
  await bench.settled();
  bench.firewall.stands = false;
  bench.pass(6_000);
  while (!bench.events.includes('prepare')) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(bench.firewall.prepared.length, 1);
  assert.match(bench.lines.join('\n'), /the guard is gone/);
});

test('replays are logged a few times a minute, not as often as they come', async () => {
  const bench = await started();
  bench.knock(laptop, 1000, SOURCE);
  for (let i = 0; i < 100; i += 1) bench.knock(laptop, 1000, SOURCE);
  await bench.settled();
  const refusals = bench.lines.filter((line) => line.includes('refused: replay'));
  assert.ok(refusals.length >= 1 && refusals.length <= 5, `${refusals.length} lines`);
  assert.ok((bench.daemon.status().counters['refused'] ?? 0) >= 100);
});

test('no line holds a port of a sequence, spent or not', async () => {
  const bench = await started();
  bench.knock(laptop, 1000, SOURCE);
  bench.knock(laptop, 1000, OTHER);
  await bench.settled();
  const ports = [1000, 1001, 1002].flatMap((factor) => pairsFor(bench.policy, laptop, factor));
  const text = bench.lines.join('\n');
  assert.match(text, /contested: two sources .*refused: contested/s);
  for (const port of ports) assert.doesNotMatch(text, new RegExp(`\\b${port}\\b`));
});

test('refuse: what is contested is spent durably and opens nothing, and what a racer had opened is closed', async () => {
  const bench = await started([laptop, phone], { contested: 'refuse' });
  const pairs = pairsFor(bench.policy, laptop, 1000);
  for (const pair of pairs.slice(0, 4)) bench.packet(pair, SOURCE);
  for (const pair of pairs) bench.packet(pair, OTHER);
  await bench.settled();
  assert.deepEqual(bench.events, ['spend']);
  assert.equal((await bench.store.load()).factors[0]?.spent, 1000);
  bench.events.length = 0;
  bench.knock(phone, 1000, OTHER);
  await bench.settled();
  bench.knock(phone, 1000, SOURCE);
  await bench.settled();
  assert.deepEqual(bench.events, ['spend', 'open ssh', 'confirm', 'close ssh', 'forget']);
  assert.deepEqual(bench.daemon.status().grants, []);
  assert.equal(bench.daemon.status().counters['contested'], 2);
});

test('refuse: when the racer is heard while the door is still opening for the first then it closes after it', async () => {
  const bench = await started([laptop], { contested: 'refuse' });
  let letGo = () => {};
  bench.firewall.gate = new Promise((resolve) => {
    letGo = resolve;
  });
  bench.knock(laptop, 1000, OTHER);
  bench.knock(laptop, 1000, SOURCE);
  await bench.settled();
  letGo();
  await bench.settled();
  assert.deepEqual(bench.events, ['spend', 'open ssh', 'confirm', 'close ssh', 'forget']);
});

test('refuse: when what was contested cannot be stored then it is owed, and written when the disk is fine again', async () => {
  const bench = await started([laptop], { contested: 'refuse' });
  bench.store.failing.add('spend');
  const pairs = pairsFor(bench.policy, laptop, 1000);
  for (const pair of pairs.slice(0, 4)) bench.packet(pair, SOURCE);
  for (const pair of pairs.slice(0, 4)) bench.packet(pair, OTHER);
  await bench.settled();
  assert.equal(bench.daemon.status().counters['unwrittenSpends'], 1);
  assert.match(bench.lines.join('\n'), /error what was refused could not be stored as used .*no space left/);
  bench.store.failing.clear();
  bench.pass(6_000);
  while ((bench.daemon.status().counters['unwrittenSpends'] ?? 0) > 0) await new Promise((go) => setTimeout(go, 20));
  assert.equal((await bench.store.load()).factors[0]?.spent, 1000);
});
