/** Engine calls besides packets: removed doors, clocks, lost packets, factors spent elsewhere, counters. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { doorPolicy, enrolment, pairsFor } from '../../../support/core/doors.ts';
import { EngineBench, HERE, kinds, OTHER, SOURCE, STEP_MS } from '../../../support/core/engine-bench.ts';

const door = doorPolicy();
const counting = doorPolicy({ name: 'gate', mode: 'hotp' });
const laptop = enrolment('laptop');
const phone = enrolment('phone', 'gate');
const pairs = pairsFor(door, laptop, 1000);

test('when packets are lost in the midst of a knock then its rest completes nothing, at any door, and a whole one does', () => {
  const target = doorPolicy({ name: 'gate', mode: 'hotp', target: OTHER });
  const bench = new EngineBench([door, target], [laptop, phone]);
  const others = pairsFor(target, phone, 0);
  bench.knock(pairs.slice(0, 5));
  bench.knock(others.slice(0, 5), SOURCE, OTHER);
  bench.engine.noteLoss();
  assert.deepEqual(bench.knock(pairs.slice(5)), []);
  assert.deepEqual(bench.knock(others.slice(5), SOURCE, OTHER), []);
  assert.equal(bench.engine.counters.attempts, 0);
  assert.deepEqual(kinds(bench.knock(pairs)), ['admit laptop']);
});

test('when a door is removed then its sequences are nothing, and other doors are as before', () => {
  const bench = new EngineBench([door, counting], [laptop, phone]);
  bench.knock(pairs.slice(0, 5));
  bench.engine.removeDoor('ssh');
  assert.deepEqual(bench.knock(pairs), []);
  assert.equal(bench.engine.door('ssh'), undefined);
  assert.deepEqual(kinds(bench.knock(pairsFor(counting, phone, 0))), ['admit phone']);
});

test('when an admission waited then it is entitled as long as its door and its secret are there', () => {
  const bench = new EngineBench([door], [laptop]);
  const [effect] = bench.knock(pairs);
  assert.ok(effect?.kind === 'admit');
  assert.equal(bench.engine.isEntitled(effect), true);
  bench.engine.revoke('ssh', 'laptop');
  assert.equal(bench.engine.isEntitled(effect), false);
});

test('when a factor was spent elsewhere then its sequence is a replay, also half knocked', () => {
  const bench = new EngineBench([door], [laptop]);
  bench.knock(pairs.slice(0, 5));
  bench.engine.noteSpent('ssh', 'laptop', { spent: 1000, drift: 0 });
  bench.settle();
  assert.deepEqual(
    kinds(bench.knock(pairs)).filter((kind) => kind.startsWith('admit')),
    [],
  );
  assert.deepEqual(kinds(bench.knock(pairsFor(door, laptop, 1001))), ['admit laptop']);
});

test('the clock is trusted down to a whole step before the latest time seen, and by counters always', () => {
  const bench = new EngineBench([door, counting], [laptop]);
  const seen = 2000 * STEP_MS;
  bench.engine.noteClock(seen);
  bench.engine.noteClock(seen - 5 * STEP_MS);
  assert.equal(bench.engine.clockHighWater, seen);
  assert.equal(bench.engine.isClockTrusted(door, seen - STEP_MS), true);
  assert.equal(bench.engine.isClockTrusted(door, seen - STEP_MS - 1), false);
  assert.equal(bench.engine.isClockTrusted(counting, 0), true);
});

test('when a totp door refuses for its clock then nothing is spent: the sequence opens when the clock is accepted', () => {
  const bench = new EngineBench([door], [laptop]);
  bench.engine.noteClock(bench.wallMs + 2 * STEP_MS);
  assert.deepEqual(kinds(bench.knock(pairs)), ['clock-back']);
  bench.engine.acceptClock(bench.wallMs);
  assert.deepEqual(kinds(bench.knock(pairs)), ['admit laptop']);
});

test('strays between the knocks are told with the admission, and counted; sources are, too', () => {
  const bench = new EngineBench([door], [laptop]);
  assert.equal(bench.engine.counters.strays, 0);
  bench.knock(pairs.slice(0, 2), OTHER);
  assert.equal(bench.engine.counters.attempts, 1);
  const [effect] = bench.knock([...pairs.slice(0, 5), 2001, 2002, ...pairs.slice(5)]);
  assert.ok(effect?.kind === 'admit');
  assert.equal(effect.strays, 2);
  const { strays, trackedSources, evictedSources, liveSequences } = bench.engine.counters;
  assert.equal(strays >= 2, true);
  assert.equal(trackedSources, 2);
  assert.equal(evictedSources, 0);
  assert.equal(liveSequences > 0, true);
});

test('a sequence that was used, one before it, and one of a client who is gone can open nothing any more', () => {
  const bench = new EngineBench([counting], [phone]);
  const sequence = (factor: number) => {
    const [effect] = bench.knock(pairsFor(counting, phone, factor));
    assert.ok(effect?.kind === 'admit');
    return effect;
  };
  sequence(3);
  bench.settle();
  const of = (factor: number, keyId = phone.keyId) =>
    ({ door: 'gate', client: 'phone', keyId, factor }) as Parameters<typeof bench.engine.isSpent>[0];
  assert.deepEqual(
    [2, 3, 4].map((factor) => bench.engine.isSpent(of(factor))),
    [true, true, false],
  );
  assert.equal(bench.engine.isSpent(of(4, 'another key')), true);
});

test('packets to a target that is one of our own addresses are seen by doors of both kinds, and both decide', () => {
  const target = doorPolicy({ name: 'gate', mode: 'hotp', target: HERE });
  const bench = new EngineBench([door, target], [laptop, phone]);
  const both = [...pairs.slice(0, 5), ...pairsFor(target, phone, 0).slice(0, 5), pairs[5] ?? 0];
  assert.deepEqual(kinds(bench.knock(both)), ['admit laptop']);
  assert.deepEqual(kinds(bench.packet(pairsFor(target, phone, 0)[5] ?? 0)), ['admit phone']);
});
