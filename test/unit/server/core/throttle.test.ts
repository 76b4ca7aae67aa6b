/** Throttling: which sources are locked out, and that a fresh valid sequence never is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UNUSED } from '../../../../server/core/door.ts';
import { Engine } from '../../../../server/core/engine.ts';
import { DEFAULT_LIMITS } from '../../../../server/core/matching/matcher.ts';
import { MAX_REMEMBERED, Throttle } from '../../../../server/core/throttle.ts';
import { addressKeyOfBytes } from '../../../../shared/address.ts';
import { address, doorPolicy, enrolment, pairsFor, SERVER } from '../../../support/core/doors.ts';
import { EngineBench, kinds, SOURCE } from '../../../support/core/engine-bench.ts';

const LIMITS = { failures: 3, timeMs: 60_000 };
const door = doorPolicy();
const laptop = enrolment('laptop');
const phone = enrolment('phone');

/** The laptop has knocked once, and its packets were replayed a number of times. */
function replayed(times: number): { bench: EngineBench; said: string[] } {
  const engine = new Engine(SERVER, [door], DEFAULT_LIMITS, LIMITS);
  for (const client of [laptop, phone]) engine.enrol(client, UNUSED);
  const bench = new EngineBench([], [], engine);
  const pairs = pairsFor(door, laptop, 1000);
  bench.knock(pairs);
  return { bench, said: kinds(Array.from({ length: times }, () => bench.knock(pairs)).flat()) };
}

test('when replays have failed as often as is forgiven, and once more, then further ones are throttled', () => {
  assert.deepEqual(replayed(6).said, ['replay', 'replay', 'replay', 'replay', 'throttled', 'throttled']);
});

test('when a forger has had an address locked out by replays then its fresh sequences open, of every client', () => {
  const { bench } = replayed(50);
  assert.deepEqual(kinds(bench.knock(pairsFor(door, phone, 1000))), ['admit phone']);
  bench.settle();
  assert.deepEqual(kinds(bench.knock(pairsFor(door, laptop, 1001))), ['admit laptop']);
});

test('strays and unfinished knocks are no failures', () => {
  const { bench } = replayed(0);
  for (let i = 0; i < 100; i += 1) bench.knock([...pairsFor(door, phone, 1000).slice(0, 5), 2000 + i]);
  bench.pass(11_000);
  assert.deepEqual(kinds(bench.knock(pairsFor(door, laptop, 1000))), ['replay']);
});

test('a clock that stands wrong is the server’s failure: however often it refuses, nobody is locked out', () => {
  const engine = new Engine(SERVER, [door], DEFAULT_LIMITS, LIMITS);
  engine.enrol(laptop, UNUSED);
  const bench = new EngineBench([], [], engine);
  engine.noteClock(bench.wallMs + 3_600_000);
  const pairs = pairsFor(door, laptop, 1000);
  const said = kinds(Array.from({ length: 3 * LIMITS.failures }, () => bench.knock(pairs)).flat());
  assert.deepEqual(new Set(said), new Set(['clock-back']));
});

test('lock-outs double up to an hour, and are forgotten after a quiet time', () => {
  const throttle = new Throttle(LIMITS);
  const locks = Array.from({ length: 11 }, () => throttle.fail('ssh', SOURCE, 0) / 1000);
  assert.deepEqual(locks, [0, 0, 0, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
  assert.equal(throttle.isLockedOut('ssh', SOURCE, 3_599_999), true);
  assert.equal(throttle.isLockedOut('ssh', SOURCE, 3_600_000), false);
  assert.equal(throttle.isLockedOut('web', SOURCE, 0), false);
  assert.equal(throttle.fail('ssh', SOURCE, 3_660_000), 0);
});

test('a lock-out is forgotten a quiet time after its end, not after its beginning', () => {
  const throttle = new Throttle(LIMITS);
  for (let i = 0; i < 5; i += 1) throttle.fail('ssh', SOURCE, 0);
  // The last one ended at 120 s.
  assert.equal(throttle.fail('ssh', SOURCE, 179_999), 240_000, 'it goes on where it was');
  const other = new Throttle(LIMITS);
  for (let i = 0; i < 5; i += 1) other.fail('ssh', SOURCE, 0);
  assert.equal(other.fail('ssh', SOURCE, 180_000), 0);
});

test('whoever was let in by a fresh sequence has no failures, at that door', () => {
  const throttle = new Throttle(LIMITS);
  for (const place of ['ssh', 'web']) for (let i = 0; i < 4; i += 1) throttle.fail(place, SOURCE, 0);
  throttle.succeed('ssh', SOURCE);
  assert.equal(throttle.isLockedOut('ssh', SOURCE, 1), false);
  assert.equal(throttle.isLockedOut('web', SOURCE, 1), true);
  assert.equal(throttle.fail('ssh', SOURCE, 1), 0);
  assert.equal(throttle.size, 2);
});

test('an IPv6 host that changes its address within its /64 stays locked out', () => {
  const throttle = new Throttle(LIMITS);
  for (let i = 1; i <= 4; i += 1) throttle.fail('ssh', address(`2001:db8::${i}`), 0);
  assert.equal(throttle.isLockedOut('ssh', address('2001:db8::ffff'), 1), true);
  assert.equal(throttle.isLockedOut('ssh', address('2001:db8:0:1::1'), 1), false);
});

test('beyond its room the table forgets who has been quiet for longest, and keeps the newest', () => {
  const throttle = new Throttle(LIMITS);
  const sourceOf = (at: number) => addressKeyOfBytes(Uint8Array.of(11, 0, at >> 8, at & 255));
  const fail = (at: number, times: number) => {
    for (let i = 0; i < times; i += 1) throttle.fail('ssh', sourceOf(at), 0);
  };
  const locked = (...ats: number[]) => ats.map((at) => throttle.isLockedOut('ssh', sourceOf(at), 1));
  for (const at of [0, 1, 2]) fail(at, LIMITS.failures + 1);
  for (let at = 3; at < MAX_REMEMBERED; at += 1) fail(at, 1);
  assert.deepEqual(locked(0, 1, 2), [true, true, true], 'so many have room');
  // A source that fails again was quiet for less time than the others.
  fail(0, 1);
  fail(MAX_REMEMBERED, LIMITS.failures + 1);
  assert.deepEqual(locked(0, 1, 2, MAX_REMEMBERED), [true, false, true, true]);
  fail(MAX_REMEMBERED + 1, 1);
  assert.deepEqual(locked(0, 2, MAX_REMEMBERED), [true, false, true]);
  assert.equal(throttle.size, MAX_REMEMBERED);
});

test('a flood of sources fills the table to its limit and no further', () => {
  const throttle = new Throttle(LIMITS);
  for (let i = 0; i < 100_000; i += 1) {
    throttle.fail('ssh', addressKeyOfBytes(Uint8Array.of(11, (i >> 16) & 255, (i >> 8) & 255, i & 255)), i);
  }
  assert.equal(throttle.size, MAX_REMEMBERED);
});
