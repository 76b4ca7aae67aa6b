import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Matcher } from '../../server/core/matcher.ts';
import { type LiveSequence, SequenceIndex } from '../../server/core/sequence-index.ts';
import { arrivalArbitrary, asLive, liveArbitrary } from '../support/arbitraries.ts';
import { address } from '../support/doors.ts';
import { type Packet, referenceCompletes } from '../support/reference-matcher.ts';

const sources = ['192.0.2.1', '192.0.2.2', '2001:db8::1'].map(address);
const liveSequence = liveArbitrary({ pairs: 9, knocks: 4, timeoutMs: 40 });
const arrival = arrivalArbitrary(sources.length, 9);

test('the matcher agrees with the naive definition on every packet of every source', () => {
  fc.assert(
    fc.property(
      fc.array(liveSequence, { minLength: 1, maxLength: 40, size: 'max' }),
      fc.array(arrival, { minLength: 1, maxLength: 80 }),
      (fields, arrivals) => {
        const index = new SequenceIndex();
        const live = fields.map(asLive);
        for (const sequence of live) index.add(sequence);
        const matcher = new Matcher(index);
        const used = new Map<string, number>();
        const lists: Packet[][] = sources.map(() => []);
        let atMs = 0;
        for (const { source, pair: knocked, gapMs } of arrivals) {
          atMs += gapMs;
          lists[source]?.push({ atMs, pair: knocked });
          const list = lists[source] ?? [];
          const key = sources[source];
          assert.ok(key !== undefined);
          const completed = matcher.arrive(atMs, key, knocked).map(({ sequence }) => sequence.id);
          const unused = (sequence: LiveSequence) => list.slice(used.get(`${source} ${sequence.id}`) ?? 0);
          const expected = live
            .filter((sequence) => referenceCompletes(unused(sequence), sequence))
            .map(({ id }) => id);
          for (const id of expected) used.set(`${source} ${id}`, list.length);
          assert.deepEqual(completed.toSorted(), expected.toSorted());
        }
      },
    ),
    { numRuns: process.env['KNOCK_OTP_LONG'] !== undefined ? 200_000 : 4_000 },
  );
});

test('an observer changes nothing, and is told of all knocks of a sequence just where that is completed', () => {
  const [source] = sources;
  assert.ok(source !== undefined);
  fc.assert(
    fc.property(
      fc.array(liveSequence, { minLength: 1, maxLength: 10 }),
      fc.array(arrival, { minLength: 1, maxLength: 80 }),
      (fields, arrivals) => {
        const live = fields.map(asLive);
        const [watched, alone] = [0, 1].map(() => {
          const index = new SequenceIndex();
          for (const sequence of live) index.add(sequence);
          return new Matcher(index);
        });
        assert.ok(watched !== undefined && alone !== undefined);
        let whole: number[] = [];
        let touched: number[] = [];
        watched.observer = {
          arrived: () => undefined,
          taken: () => undefined,
          touched: (sequence, standing) => {
            touched.push(sequence.id);
            assert.ok(standing.knocks <= standing.untimed && standing.untimed <= standing.seen);
            assert.ok(standing.strays <= sequence.maxStrays);
            if (standing.knocks === sequence.pairs.length) whole.push(sequence.id);
          },
        };
        let atMs = 0;
        for (const { pair: knocked, gapMs } of arrivals) {
          atMs += gapMs;
          [whole, touched] = [[], []];
          const idsOf = (matcher: Matcher): number[] =>
            matcher.arrive(atMs, source, knocked).map(({ sequence }) => sequence.id);
          const completed = idsOf(watched);
          assert.deepEqual(idsOf(alone), completed);
          assert.deepEqual(whole.toSorted(), completed.toSorted());
          const holding = live.filter(({ pairs }) => pairs.includes(knocked)).map(({ id }) => id);
          assert.deepEqual(touched.toSorted(), holding.toSorted());
        }
      },
    ),
    { numRuns: process.env['KNOCK_OTP_LONG'] !== undefined ? 100_000 : 1_500 },
  );
});
