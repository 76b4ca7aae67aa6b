/** Several attempts of one source at doors that bind: how many can be staged, and when one ends. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { firstPartStrays, StagedAttempts } from '../../../../../server/core/matching/bound-attempt.ts';
import type { LiveSequence } from '../../../../../server/core/matching/live-sequence.ts';
import { Matcher } from '../../../../../server/core/matching/matcher.ts';
import { SequenceIndex } from '../../../../../server/core/matching/sequence-index.ts';
import type { AddressKey } from '../../../../../shared/address.ts';
import type { Pair } from '../../../../../shared/knock.ts';
import { liveSequence } from '../../../../support/core/doors.ts';
import { OTHER, SOURCE } from '../../../../support/core/engine-bench.ts';

/** Maximum of staged attempts: one more evicts the oldest. */
const ROOM = 8;

const firstPart = (id: number): readonly Pair[] => [100 * id + 1, 100 * id + 2];
const secondPart = (id: number): readonly Pair[] => [100 * id + 11, 100 * id + 12];

class Attempts {
  /** Ids of sequences whose second part was derived. */
  readonly derived: number[] = [];
  /** Ids that the observer received. */
  readonly touched: number[] = [];
  readonly matcher: Matcher;
  #atMs = 0;

  constructor(ids: readonly number[], changes: Partial<LiveSequence> = {}) {
    const index = new SequenceIndex();
    for (const id of ids) {
      const derive = () => {
        this.derived.push(id);
        return secondPart(id);
      };
      const maxStrays = firstPartStrays(2, 60);
      index.add(liveSequence({ id, factor: id, pairs: firstPart(id), maxStrays, secondPart: derive, ...changes }));
    }
    this.matcher = new Matcher(index);
    this.matcher.observer = {
      arrived: () => undefined,
      taken: () => undefined,
      touched: ({ id }) => this.touched.push(id),
    };
  }

  /** Factors that were completed. */
  knock(pairs: readonly Pair[]): readonly number[] {
    return pairs.flatMap((pair) => {
      this.#atMs += 1;
      return this.matcher.matchPacket(this.#atMs, SOURCE, pair).map(({ sequence }) => sequence.factor);
    });
  }
}

test('when a source begins more attempts than have room then the oldest is forgotten, and made again when it is repeated', () => {
  const ids = Array.from({ length: ROOM + 1 }, (_, at) => at + 1);
  const attempts = new Attempts(ids);
  for (const id of ids) assert.deepEqual(attempts.knock(firstPart(id)), []);
  assert.deepEqual(attempts.derived, ids);
  assert.deepEqual(attempts.knock(secondPart(1)), [], 'the oldest');
  for (const id of ids.slice(1)) assert.deepEqual(attempts.knock(secondPart(id)), [id]);
  assert.deepEqual(attempts.knock(firstPart(1)), [1], 'its second part has been knocked already');
  assert.deepEqual(attempts.derived, [...ids, 1]);
});

for (const order of ['any', 'strict'] as const) {
  test(`${order}: an attempt is over when it is completed: another one costs another derivation, and both parts`, () => {
    const attempts = new Attempts([1], { order });
    const whole = [...firstPart(1), ...secondPart(1)];
    assert.deepEqual(attempts.knock(whole), [1]);
    assert.deepEqual(attempts.knock(secondPart(1)), []);
    assert.deepEqual(attempts.derived, [1]);
    assert.deepEqual(attempts.knock(whole), [1]);
    assert.deepEqual(attempts.derived, [1, 1]);
  });

  test(`${order}: an attempt is looked for in packets to its own ports alone`, () => {
    const attempts = new Attempts([1, 2], { order });
    attempts.knock([...firstPart(1), ...firstPart(2)]);
    attempts.touched.length = 0;
    attempts.knock([100, 150, 111, 212]);
    assert.deepEqual(attempts.touched, [-1, -2]);
  });
}

test('a source that has knocked two of its second part is one that is remembered, and on its way', () => {
  const attempts = new Attempts([1]);
  assert.deepEqual(attempts.knock([...firstPart(1), ...secondPart(1)]), [1]);
  const { matcher } = attempts;
  assert.deepEqual([matcher.trackedSources, matcher.promisingSources], [1, 1]);
});

test('an attempt has the strays of its door: those of its first part, less the knocks of the second one', () => {
  const first = liveSequence({
    pairs: firstPart(1),
    maxStrays: firstPartStrays(2, 7),
    secondPart: () => secondPart(1),
  });
  const { whole } = new StagedAttempts().stage(first, [...secondPart(1), 101]);
  assert.equal(whole.maxStrays, 7);
  assert.deepEqual(whole.pairs, [101, 102, 111, 112], 'in any order a pair of both parts is one knock');
  assert.equal(whole.id, -1, 'that of no sequence in an index');
  assert.equal(whole.secondPart, undefined, 'nothing follows it');
  const strict = new StagedAttempts().stage({ ...first, order: 'strict' }, [102, 103]);
  assert.deepEqual(strict.whole.pairs, [101, 102, 102, 103], 'in strict order it is two');
});

const knocks: readonly { what: string; pairs: readonly Pair[]; stays: boolean }[] = [
  { what: 'the first part and one knock of the second', pairs: [101, 102, 111], stays: false },
  { what: 'the first part and one knock of the second again and again', pairs: [101, 102, 111, 111], stays: false },
  { what: 'the first part and two knocks of the second', pairs: [101, 102, 111, 112], stays: true },
];

for (const { what, pairs, stays } of knocks) {
  test(`${what}: copies of the first part ${stays ? 'push it out no more' : 'can still push it out'}`, () => {
    const index = new SequenceIndex();
    const secondOf = (source: AddressKey) => (source === SOURCE ? [111, 112, 113] : [211, 212, 213]);
    index.add(liveSequence({ pairs: firstPart(1), maxStrays: firstPartStrays(3, 8), secondPart: secondOf }));
    const matcher = new Matcher(index, { sources: 1, promisingSources: 1, boundSources: 1 });
    for (const pair of pairs) matcher.matchPacket(1, SOURCE, pair);
    for (const pair of firstPart(1)) matcher.matchPacket(2, OTHER, pair);
    assert.deepEqual([matcher.promisingSources, matcher.evictedSources], stays ? [2, 0] : [1, 1]);
    const completed = [112, 113].flatMap((pair) => matcher.matchPacket(3, SOURCE, pair));
    assert.equal(completed.length, stays ? 1 : 0);
    // Their maximum leaves room for one more.
    for (const pair of [...firstPart(1), 211, 212]) matcher.matchPacket(4, OTHER, pair);
    assert.equal(matcher.evictedSources, 1);
  });
}
