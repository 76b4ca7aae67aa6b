/** One sequence from two sources: what is detected and admitted, and what no flood changes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Contest, contestFrom } from '../../../../server/core/contest.ts';
import type { LiveSequence } from '../../../../server/core/matching/live-sequence.ts';
import { addressKeyOfBytes } from '../../../../shared/address.ts';
import { address, doorPolicy, enrolment, liveSequence, pairsFor } from '../../../support/core/doors.ts';
import { EngineBench, kinds, OTHER, SOURCE } from '../../../support/core/engine-bench.ts';
import { memoryInUse } from '../../../support/host/memory.ts';

const laptop = enrolment('laptop');
const first = doorPolicy();
const refuse = doorPolicy({ contested: 'refuse' });
const pairs = pairsFor(first, laptop, 1000);
const RIVAL = 'rival 198.51.100.9';

const thresholds: readonly { knocks: number; from: number; why: string }[] = [
  { knocks: 1, from: 1, why: 'there is no less than all' },
  { knocks: 3, from: 3, why: 'at least three' },
  { knocks: 4, from: 3, why: 'two thirds' },
  { knocks: 6, from: 4, why: 'two thirds' },
  { knocks: 7, from: 5, why: 'two thirds, rounded up' },
  { knocks: 32, from: 22, why: 'two thirds, rounded up' },
];

for (const { knocks, from, why } of thresholds) {
  test(`of ${knocks} knocks a source must show ${from}: ${why}`, () => assert.equal(contestFrom(knocks), from));
}

test('first: when a racer holds back the last knock then he is let in, and both are named', () => {
  const bench = new EngineBench([first], [laptop]);
  assert.deepEqual(kinds(bench.knock(pairs.slice(0, 5))), []);
  assert.deepEqual(kinds(bench.knock(pairs, OTHER)), [RIVAL, 'admit laptop']);
  assert.deepEqual(kinds(bench.knock(pairs.slice(5))), ['contested']);
});

test('refuse: when a racer holds back the last knock then the sequence opens for nobody', () => {
  const bench = new EngineBench([refuse], [laptop]);
  bench.knock(pairs.slice(0, 5));
  assert.deepEqual(kinds(bench.knock(pairs, OTHER)), [`${RIVAL}, spent`, 'contested']);
  assert.deepEqual(kinds(bench.knock(pairs.slice(5))), ['contested']);
  // The client's next sequence still opens.
  bench.settle();
  bench.pass(20_000);
  assert.deepEqual(kinds(bench.knock(pairsFor(refuse, laptop, 1001))), ['admit laptop']);
});

test('refuse: when the racer waits until seq_timeout is over then he is noticed all the same', () => {
  const bench = new EngineBench([refuse], [laptop]);
  bench.knock(pairs.slice(0, 5));
  bench.pass(15_000);
  bench.settle();
  assert.deepEqual(kinds(bench.knock(pairs, OTHER)), [`${RIVAL}, spent`, 'contested']);
});

test('refuse: when the racer is let in before the client is heard then he is shut out again', () => {
  const bench = new EngineBench([refuse], [laptop]);
  assert.deepEqual(kinds(bench.knock(pairs, SOURCE)), ['admit laptop']);
  assert.deepEqual(kinds(bench.knock(pairs, OTHER)), [`${RIVAL}, closes`, 'contested']);
  // Reported and done once, however often it repeats.
  assert.deepEqual(kinds(bench.knock(pairs, OTHER)), ['contested']);
});

test('when a recorded sequence comes from elsewhere more than a minute later then it is a replay', () => {
  const hotp = doorPolicy({ mode: 'hotp', contested: 'refuse' });
  const bench = new EngineBench([hotp], [laptop]);
  const counter = pairsFor(hotp, laptop, 0);
  assert.deepEqual(kinds(bench.knock(counter)), ['admit laptop']);
  bench.settle();
  bench.pass(60_001);
  assert.deepEqual(kinds(bench.knock(counter, OTHER)), ['replay']);
});

test('refuse: when a sequence becomes acceptable only after it was contested then it opens for nobody', () => {
  const bench = new EngineBench([refuse], [laptop]);
  // Derived already, two seconds before the window reaches it.
  bench.pass(8_500);
  bench.settle();
  const early = pairsFor(refuse, laptop, 1002);
  bench.knock(early.slice(0, 5));
  assert.deepEqual(kinds(bench.knock(early.slice(0, 5), OTHER)), [RIVAL]);
  bench.pass(10_000);
  bench.settle();
  assert.deepEqual(kinds(bench.knock(early, OTHER)), ['contested, spent']);
});

test('two addresses of one /64 are one source, two of different ones are not', () => {
  const [one, same, other] = ['2001:db8::1', '2001:db8::a:b:c:d', '2001:db8:0:1::1'].map(address);
  assert.ok(one !== undefined && same !== undefined && other !== undefined);
  const bench = new EngineBench([refuse], [laptop]);
  bench.knock(pairs.slice(0, 5), one);
  assert.deepEqual(kinds(bench.knock(pairs, same)), ['admit laptop']);
  assert.deepEqual(kinds(bench.knock(pairs, other)), ['rival 2001:db8:0:1::1, closes', 'contested']);
});

test('half a sequence from elsewhere is no contest, and neither is most of it among too many strays', () => {
  const bench = new EngineBench([doorPolicy({ contested: 'refuse', maxStrays: 3 })], [laptop]);
  bench.knock(pairs.slice(0, 3), OTHER);
  const strays = Array.from({ length: 4 }, (_, at) => 2000 + at);
  bench.knock([...pairs.slice(0, 2), ...strays, ...pairs.slice(2, 5)], address('198.51.100.10'));
  assert.deepEqual(kinds(bench.knock(pairs)), ['admit laptop']);
});

test('what is spent because it was contested says nothing of the client: neither drift nor use', () => {
  const bench = new EngineBench([refuse], [laptop]);
  const ahead = pairsFor(refuse, laptop, 1001);
  bench.knock(ahead.slice(0, 4), OTHER);
  const [effect] = bench.knock(ahead.slice(0, 4));
  assert.ok(effect?.kind === 'contested' && effect.spend?.kind === 'factor');
  assert.deepEqual(effect.spend.state, { spent: 1001, drift: 0 });
});

test('however many sources show a sequence, two are kept, and the first one is never pushed out', () => {
  const contest = new Contest();
  const sequence = liveSequence({ contestFrom: 3 });
  contest.addContender(sequence, SOURCE);
  const before = memoryInUse('heapUsed');
  for (let i = 0; i < 200_000; i += 1) {
    contest.addContender(sequence, addressKeyOfBytes(Uint8Array.of(11, (i >> 16) & 255, (i >> 8) & 255, i & 255)));
  }
  assert.equal(contest.rivalOf(sequence, OTHER), SOURCE);
  assert.ok(memoryInUse('heapUsed') - before < 20_000_000);
});

test('a second source is in time for a minute after the opening, or for as long as a knock may take where that is longer', () => {
  for (const [seqTimeoutMs, lastMs] of [
    [10_000, 60_000],
    [120_000, 120_000],
  ] as const) {
    const contest = new Contest();
    const sequence = { seqTimeoutMs } as LiveSequence;
    assert.equal(contest.recentlyAdmitted(sequence, 0), undefined, 'no contender yet');
    contest.addContender(sequence, SOURCE);
    contest.opened(sequence, SOURCE, 0);
    assert.equal(contest.recentlyAdmitted(sequence, lastMs), SOURCE);
    assert.equal(contest.isOver(sequence, lastMs), false);
    assert.equal(contest.recentlyAdmitted(sequence, lastMs + 1), undefined);
    assert.equal(contest.isOver(sequence, lastMs + 1), true);
  }
});
