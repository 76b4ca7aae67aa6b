/** The matcher's counts for `status`: sources in its tables, and evicted sources. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { firstPartStrays } from '../../../../../server/core/matching/bound-attempt.ts';
import type { LiveSequence } from '../../../../../server/core/matching/live-sequence.ts';
import { Matcher } from '../../../../../server/core/matching/matcher.ts';
import { SequenceIndex } from '../../../../../server/core/matching/sequence-index.ts';
import type { Pair } from '../../../../../shared/knock.ts';
import { address, liveSequence } from '../../../../support/core/doors.ts';

const [one, two, three] = ['192.0.2.1', '192.0.2.2', '192.0.2.3'].map(address);
const sequence = liveSequence({ seqTimeoutMs: 1_000, maxStrays: 3 });

function matcherOf(room: number): Matcher {
  const index = new SequenceIndex();
  index.add(sequence);
  return new Matcher(index, { sources: room, promisingSources: room, boundSources: room });
}

test('when one source has touched a knock and another two, then both are remembered, and neither was forgotten', () => {
  assert.ok(one !== undefined && two !== undefined && three !== undefined);
  const matcher = matcherOf(10);
  assert.equal(matcher.trackedSources, 0);
  matcher.matchPacket(1, one, 7001);
  matcher.matchPacket(2, two, 7001);
  matcher.matchPacket(3, two, 9002);
  matcher.matchPacket(4, three, 1234);
  assert.equal(matcher.trackedSources, 2);
  assert.equal(matcher.promisingSources, 1);
  assert.equal(matcher.strays, 1);
  assert.equal(matcher.evictedSources, 0);
  matcher.forget(two);
  assert.equal(matcher.trackedSources, 1);
});

test('when either table is full, then its longest silent source goes, and is counted', () => {
  assert.ok(one !== undefined && two !== undefined && three !== undefined);
  const matcher = matcherOf(1);
  matcher.matchPacket(1, one, 7001);
  matcher.matchPacket(2, two, 7001);
  assert.equal(matcher.evictedSources, 1);
  assert.equal(matcher.trackedSources, 1);
  matcher.matchPacket(3, two, 9002);
  matcher.matchPacket(4, three, 7001);
  matcher.matchPacket(5, three, 9002);
  assert.equal(matcher.evictedSources, 2);
  assert.deepEqual(
    matcher.matchPacket(6, three, 8003).map(({ completedAtMs, startedAtMs }) => [startedAtMs, completedAtMs]),
    [[4, 6]],
  );
  assert.deepEqual(matcher.matchPacket(7, two, 8003), []);
});

test('when a source has been silent for longer than any sequence lasts, then others make it go', () => {
  assert.ok(one !== undefined && two !== undefined && three !== undefined);
  const matcher = matcherOf(10);
  matcher.matchPacket(0, one, 7001);
  matcher.matchPacket(0, two, 7001);
  matcher.matchPacket(1, two, 9002);
  matcher.matchPacket(1_001, three, 1234);
  assert.equal(matcher.trackedSources, 1);
  matcher.matchPacket(1_002, three, 1234);
  assert.equal(matcher.trackedSources, 0);
  assert.equal(matcher.evictedSources, 0);
});

test('when many have been silent for too long then a packet makes two of them go, of each table: it is never much work', () => {
  const matcher = matcherOf(10);
  const silent = [1, 2, 3, 4, 5].map((at) => address(`192.0.2.${at}`));
  for (const source of silent) for (const pair of [7001, 9002]) matcher.matchPacket(0, source, pair);
  for (const at of [11, 12, 13]) matcher.matchPacket(1, address(`192.0.2.${at}`), 7001);
  assert.equal(matcher.trackedSources, 8);
  const left = [1, 2, 3].map(() => {
    matcher.matchPacket(1_002, address('192.0.2.99'), 1234);
    return [matcher.promisingSources, matcher.trackedSources];
  });
  assert.deepEqual(left, [
    [3, 4],
    [1, 1],
    [0, 0],
  ]);
});

test('stages are told of sequences that tell them, and of no others', () => {
  assert.ok(one !== undefined);
  const index = new SequenceIndex();
  const pairs = [7001, 9002];
  index.add(liveSequence({ id: 1, order: 'strict', pairs }));
  index.add(liveSequence({ id: 2, order: 'strict', pairs, reportsStages: true }));
  const matcher = new Matcher(index);
  const reported = pairs.map((pair) => {
    matcher.matchPacket(1, one, pair);
    return matcher.advances.map(({ sequence: { id }, stage }) => [id, stage]);
  });
  assert.deepEqual(reported, [[[2, 1]], [[2, 2]]]);
});

test('a stage that was told is told again when the time of a sequence is over, by a source that never was silent', () => {
  assert.ok(one !== undefined);
  const index = new SequenceIndex();
  index.add({ ...sequence, order: 'strict', reportsStages: true });
  const matcher = new Matcher(index);
  const reported = [
    [100, 7001],
    [600, 1234],
    [1_100, 7001],
    [1_101, 7001],
    [1_102, 7001],
  ].map(([atMs = 0, pair = 0]) => {
    matcher.matchPacket(atMs, one, pair);
    return matcher.advances.length;
  });
  assert.deepEqual(reported, [1, 0, 0, 1, 0]);
});

test('when a source begins a strict sequence anew then the strays of before do not hide that it knows it', () => {
  assert.ok(one !== undefined);
  const index = new SequenceIndex();
  index.add(liveSequence({ order: 'strict', maxStrays: 1, contestFrom: 2 }));
  // A sequence that needs longer tracks than the other one.
  index.add(liveSequence({ id: 2, pairs: [4, 5, 6], maxStrays: 20 }));
  const matcher = new Matcher(index);
  const shown = [7001, 1, 2, 9002, 8003, 7001, 9002].map((pair, at) => {
    matcher.matchPacket(at, one, pair);
    return matcher.contended.length;
  });
  assert.deepEqual(shown, [0, 0, 0, 0, 0, 0, 1]);
});

test('any two knocks of a sequence put a source on its way, wherever they stand in it, and one of them does not', () => {
  const pairs = [7001, 9002, 8003, 6004, 5005];
  for (const first of pairs) {
    for (const second of pairs) {
      assert.ok(one !== undefined);
      const index = new SequenceIndex();
      index.add(liveSequence({ pairs }));
      const matcher = new Matcher(index);
      for (const pair of [first, second]) matcher.matchPacket(1, one, pair);
      assert.equal(matcher.promisingSources, first === second ? 0 : 1, `${first} and ${second}`);
    }
  }
});

test('of a strict sequence the first two knocks in order put a source on its way', () => {
  for (const [sent, promising] of [
    [[7001], 0],
    [[9002], 0],
    [[8003], 0],
    [[9002, 8003], 0],
    [[9002, 7001], 0],
    [[7001, 8003], 0],
    [[7001, 9002], 1],
  ] as const) {
    assert.ok(one !== undefined);
    const index = new SequenceIndex();
    index.add(liveSequence({ order: 'strict' }));
    const matcher = new Matcher(index);
    for (const pair of sent) matcher.matchPacket(1, one, pair);
    assert.equal(matcher.promisingSources, promising, `${sent}`);
  }
});

/** Enough sequences to make a track prune its progress. */
const MANY = Array.from({ length: 20 }, (_, at) => at + 1);

function completedIn(sequences: readonly LiveSequence[], pairs: readonly Pair[]): readonly (readonly number[])[] {
  const index = new SequenceIndex();
  for (const each of sequences) index.add(each);
  const matcher = new Matcher(index);
  const source = address('192.0.2.1');
  return pairs.map((pair, at) => matcher.matchPacket(at, source, pair).map(({ sequence: { factor } }) => factor));
}

test('when a source is on its way through many sequences at once then none of them is forgotten', () => {
  const strict = MANY.map((id) =>
    liveSequence({ id, factor: id, order: 'strict', pairs: [7001, 8000 + id, 9000 + id] }),
  );
  for (const id of [1, 20]) assert.deepEqual(completedIn(strict, [7001, 8000 + id, 9000 + id]), [[], [], [id]]);
});

test('when a source has completed many sequences at once then a repeated last packet completes none of them again', () => {
  for (const order of ['any', 'strict'] as const) {
    const same = MANY.map((id) => liveSequence({ id, factor: id, order, pairs: [7001, 9002] }));
    const completed = completedIn(same, [7001, 9002, 9002, 7001, 9002]);
    assert.deepEqual(completed.slice(0, 3), [[], MANY, []], order);
    assert.deepEqual(completed.slice(3).flat(), MANY, `${order}: and a whole one does`);
  }
});

test('when a source has knocked the first part of many sequences then the newest attempts are not forgotten', () => {
  const parts = MANY.map((id) =>
    liveSequence({
      ...{ id, factor: id, order: 'strict', pairs: [7001, 9002], maxStrays: firstPartStrays(2, 4) },
      secondPart: () => [7000 + 10 * id, 8000 + 10 * id],
    }),
  );
  for (const id of [13, 20])
    assert.deepEqual(completedIn(parts, [7001, 9002, 7000 + 10 * id, 8000 + 10 * id]), [[], [], [], [id]]);
});
