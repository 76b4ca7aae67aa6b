/** The index of live sequences and the pairs of all indexes, after additions and removals. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LivePairs } from '../../../../../server/core/matching/live-pairs.ts';
import { SequenceIndex } from '../../../../../server/core/matching/sequence-index.ts';
import { liveSequence } from '../../../../support/core/doors.ts';
import { memoryInUse } from '../../../../support/host/memory.ts';

const one = liveSequence({ id: 1, pairs: [7001, 9002, 8003], maxStrays: 4, seqTimeoutMs: 1_000 });
const two = liveSequence({ id: 2, pairs: [9002, 5005], maxStrays: 20, seqTimeoutMs: 500 });
/** A sequence that knocks at a port twice. */
const again = liveSequence({ id: 3, order: 'strict', pairs: [6006, 6006, 9002, 6006] });

test('when a sequence is in the index then it is found by each of its pairs, once, and no more when it is taken out', () => {
  const index = new SequenceIndex();
  for (const sequence of [one, two, again, one]) index.add(sequence);
  assert.equal(index.size, 3);
  assert.deepEqual(index.containing(9002), [one, two, again]);
  assert.deepEqual(index.containing(6006), [again]);
  assert.deepEqual(index.containing(1234), []);
  index.remove(two);
  index.remove(two);
  assert.deepEqual(
    [1, 2, 3].map((id) => index.has(id)),
    [true, false, true],
  );
  assert.deepEqual(index.containing(9002), [one, again]);
  assert.deepEqual(index.containing(5005), []);
  assert.deepEqual(index.containing(7001), [one]);
});

test('when somebody goes through a list that he was given then what is taken out meanwhile stays in it', () => {
  const index = new SequenceIndex();
  for (const sequence of [one, two, again]) index.add(sequence);
  const given = index.containing(9002);
  for (const sequence of given) index.remove(sequence);
  assert.deepEqual(given, [one, two, again]);
  assert.deepEqual(index.containing(9002), []);
});

test('pairs are kept apart: those of one page, the last of one page and the first of the next, tcp and udp', () => {
  const index = new SequenceIndex();
  const pairs = [1, 255, 256, 257, 511, 512, 65_535, 65_536, 65_791, 65_792, 131_071];
  const sequences = pairs.map((pair, id) => liveSequence({ id, pairs: [pair] }));
  for (const sequence of sequences) index.add(sequence);
  for (const [at, pair] of pairs.entries()) assert.deepEqual(index.containing(pair), [sequences[at]]);
  for (const sequence of sequences) index.remove(sequence);
  for (const pair of pairs) assert.deepEqual(index.containing(pair), []);
});

test('the longest run and the longest time are those of any sequence so far, of different ones too', () => {
  const index = new SequenceIndex();
  assert.deepEqual([index.longestRun, index.longestTimeoutMs], [0, 0]);
  index.add(one);
  assert.deepEqual([index.longestRun, index.longestTimeoutMs], [7, 1_000]);
  index.add(two);
  index.remove(one);
  index.remove(two);
  assert.deepEqual([index.longestRun, index.longestTimeoutMs], [22, 1_000]);
});

test('a pair is live as long as any index has it, and whoever asks is told once of what may have changed', () => {
  const live = new LivePairs();
  const [here, there] = [new SequenceIndex(live), new SequenceIndex(live)];
  assert.deepEqual([live.size, [...live.all()], live.has(9002)], [0, [], false]);
  here.add(one);
  there.add(two);
  assert.deepEqual([...live.sequences], [one, two]);
  assert.deepEqual(live.all(), [5005, 7001, 8003, 9002]);
  assert.equal(live.size, 4);
  assert.deepEqual([...live.takeTouched()], [7001, 9002, 8003, 5005]);
  assert.deepEqual([...live.takeTouched()], []);
  here.remove(one);
  assert.deepEqual(
    [7001, 9002, 8003, 5005].map((pair) => live.has(pair)),
    [false, true, false, true],
  );
  assert.deepEqual([...live.takeTouched()], [7001, 9002, 8003]);
  there.remove(two);
  assert.equal(live.size, 0);
  assert.deepEqual([...live.sequences], []);
  assert.deepEqual([...live.takeTouched()], [9002, 5005]);
});

test('a pair of two sequences of one index goes with the second of them, in whatever order they go', () => {
  for (const [first, second] of [
    [one, two],
    [two, one],
  ] as const) {
    const live = new LivePairs();
    const index = new SequenceIndex(live);
    index.add(one);
    index.add(two);
    live.takeTouched();
    index.remove(first);
    assert.equal(live.has(9002), true);
    assert.equal(live.takeTouched().includes(9002), false, 'for a capture nothing has changed');
    index.remove(second);
    assert.equal(live.has(9002), false);
    assert.equal(live.takeTouched().includes(9002), true);
  }
});

test('when sequences come and go for ever then the index takes no more room than those that are there at once', () => {
  const index = new SequenceIndex();
  const pairs = Array.from({ length: 10 }, (_, at) => 1_000 + at * 300);
  const come = (id: number) => {
    const sequence = liveSequence({ id, pairs });
    index.add(sequence);
    return sequence;
  };
  const there = [come(0), come(1), come(2)];
  const before = memoryInUse('arrayBuffers');
  for (let id = 3; id < 100_000; id += 1) {
    index.remove(there[id % 3] ?? one);
    there[id % 3] = come(id);
  }
  const grown = memoryInUse('arrayBuffers') - before;
  assert.equal(index.size, 3);
  assert(grown < 1_000_000, `${grown} bytes`);
});
