/** Doors that open once, from the daemon's side: a grant that the kernel has taken back is a grant no more. */
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { address, enrolment } from '../../../support/core/doors.ts';
import { DaemonBench, WatchedStore } from '../../../support/daemon/daemon-bench.ts';

const SOURCE = address('192.0.2.7');
const laptop = enrolment('laptop');
const USED = /info used door=ssh source=192\.0\.2\.7 client=laptop/;
const running: DaemonBench[] = [];

async function opened(store?: WatchedStore): Promise<DaemonBench> {
  const bench = new DaemonBench([laptop], {}, store, { once: true });
  running.push(bench);
  await bench.daemon.start();
  bench.knock(laptop, 1000, SOURCE);
  await bench.settled();
  bench.events.length = 0;
  return bench;
}

afterEach(async () => {
  for (const bench of running.splice(0)) await bench.daemon.stop();
});

test('when the connection has been made then the status says so at once, the log once, and the journal forgets', async () => {
  const bench = await opened();
  assert.equal((await bench.daemon.freshStatus()).grants.length, 1);
  bench.firewall.used = [{ door: 'ssh', source: SOURCE }];
  assert.equal((await bench.daemon.freshStatus()).grants.length, 0);
  await bench.daemon.freshStatus();
  await bench.settled();
  assert.equal(bench.lines.filter((line) => USED.test(line)).length, 1);
  assert.deepEqual(bench.events, ['close ssh', 'forget']);
  assert.deepEqual((await bench.store.load()).grants, []);
});

test('when a knock comes after the connection then the door opens anew, and is not extended', async () => {
  const bench = await opened();
  bench.firewall.used = [{ door: 'ssh', source: SOURCE }];
  bench.knock(laptop, 1001, SOURCE);
  await bench.settled();
  assert.deepEqual(bench.events, ['spend', 'open ssh', 'confirm']);
  assert.equal(bench.lines.filter((line) => /info opened/.test(line)).length, 2);
  assert.match(bench.lines.join('\n'), USED);
  assert.doesNotMatch(bench.lines.join('\n'), /extended/);
  bench.firewall.used = [];
  assert.equal((await bench.daemon.freshStatus()).grants.length, 1);
});

test('when a knock comes before the connection then the grant is extended, and what was seen before ends nothing', async () => {
  const bench = await opened();
  const usedUp = bench.firewall.usedUp.bind(bench.firewall);
  let answer = (): void => {};
  const asked = new Promise<void>((resolve) => {
    answer = resolve;
  });
  bench.firewall.used = [{ door: 'ssh', source: SOURCE }];
  // The firewall's answer is of before the second knock, and comes after it.
  bench.firewall.usedUp = async () => {
    const used = await usedUp();
    bench.firewall.used = [];
    await asked;
    return used;
  };
  const looking = bench.daemon.freshStatus();
  bench.firewall.usedUp = usedUp;
  await bench.settled();
  bench.knock(laptop, 1001, SOURCE);
  await bench.settled();
  answer();
  await looking;
  await bench.settled();
  assert.match(bench.lines.join('\n'), /info extended/);
  assert.deepEqual(bench.events, ['spend', 'open ssh', 'confirm']);
  assert.equal((await bench.daemon.freshStatus()).grants.length, 1);
});

test('when the firewall cannot tell then the grant stays until its end', async () => {
  const bench = await opened();
  bench.firewall.usedUp = async () => {
    throw new Error('no table');
  };
  assert.equal((await bench.daemon.freshStatus()).grants.length, 1);
});

test('when a restart finds a grant that was used then it is never shown as open', async () => {
  const store = new WatchedStore([]);
  const first = await opened(store);
  first.store.close = async () => {};
  const second = new DaemonBench([laptop], {}, store, { once: true });
  running.push(second);
  second.firewall.used = [{ door: 'ssh', source: SOURCE }];
  await second.daemon.start();
  assert.equal(second.daemon.status().grants.length, 0);
  await second.settled();
  assert.match(second.lines.join('\n'), USED);
  assert.deepEqual((await store.load()).grants, []);
});
