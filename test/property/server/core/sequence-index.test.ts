/** The index of live sequences against a linear search. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LivePairs } from '../../../../server/core/matching/live-pairs.ts';
import type { LiveSequence } from '../../../../server/core/matching/live-sequence.ts';
import { SequenceIndex } from '../../../../server/core/matching/sequence-index.ts';
import { liveSequence } from '../../../support/core/doors.ts';

/** Few pairs, among them the limits of each packed range. */
const pair = fc.constantFrom(1, 2, 255, 256, 511, 512, 65_535, 65_536, 65_791, 131_071);
const work = fc.record({
  comes: fc.boolean(),
  id: fc.integer({ min: 0, max: 30 }),
  pairs: fc.array(pair, { minLength: 1, maxLength: 6 }),
});

test('when sequences come and go then each pair has those that are there, in the order in which they came', () => {
  fc.assert(
    fc.property(fc.array(work, { maxLength: 120 }), (works) => {
      const live = new LivePairs();
      const index = new SequenceIndex(live);
      let naive: readonly LiveSequence[] = [];
      const made = new Map<number, LiveSequence>();
      for (const { comes, id, pairs } of works) {
        // An id is never used for a second sequence.
        const sequence = made.get(id) ?? liveSequence({ id, pairs });
        made.set(id, sequence);
        const others = naive.filter((each) => each !== sequence);
        if (comes) {
          if (others.length === naive.length) naive = [...naive, sequence];
          index.add(sequence);
        } else {
          naive = others;
          index.remove(sequence);
        }
        assert.equal(index.has(id), naive.includes(sequence));
      }
      assert.equal(index.size, naive.length);
      assert.deepEqual(new Set(live.sequences), new Set(naive));
      for (let each = 0; each < 131_072; each += each % 256 < 2 || each % 256 > 253 ? 1 : 126) {
        const want = naive.filter(({ pairs }) => pairs.includes(each));
        assert.deepEqual(index.containing(each), want);
        assert.equal(live.has(each), want.length > 0);
      }
    }),
  );
});
