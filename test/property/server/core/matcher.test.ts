import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { LiveSequence } from '../../../../server/core/matching/live-sequence.ts';
import { Matcher } from '../../../../server/core/matching/matcher.ts';
import type { Standing } from '../../../../server/core/matching/observer.ts';
import { SequenceIndex } from '../../../../server/core/matching/sequence-index.ts';
import { arrivalArbitrary, asLive, liveArbitrary, pairArbitrary } from '../../../support/core/arbitraries.ts';
import { address } from '../../../support/core/doors.ts';
import { type Packet, referenceCompletes, referenceStanding } from '../../../support/core/reference-matcher.ts';

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
          const completed = matcher.matchPacket(atMs, key, knocked).map(({ sequence }) => sequence.id);
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
            matcher.matchPacket(atMs, source, knocked).map(({ sequence }) => sequence.id);
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

test('how far a packet has brought its source on a sequence agrees with the naive definition', () => {
  const [source] = sources;
  assert.ok(source !== undefined);
  const longer = liveArbitrary({ pairs: 9, knocks: 6, timeoutMs: 40 });
  const packet = fc.record({
    pair: pairArbitrary(12),
    gapMs: fc.oneof({ weight: 9, arbitrary: fc.nat({ max: 6 }) }, { weight: 1, arbitrary: fc.nat({ max: 60 }) }),
  });
  fc.assert(
    fc.property(
      fc.array(longer, { minLength: 1, maxLength: 6 }),
      fc.array(packet, { minLength: 1, maxLength: 60, size: 'max' }),
      (fields, packets) => {
        const index = new SequenceIndex();
        const live = fields.map(asLive);
        for (const sequence of live) index.add(sequence);
        const matcher = new Matcher(index);
        let standings = new Map<number, Standing>();
        matcher.observer = {
          arrived: () => undefined,
          taken: () => undefined,
          touched: ({ id }, standing) => standings.set(id, standing),
        };
        let list: Packet[] = [];
        let used = new Map<number, number>();
        let atMs = 0;
        for (const { pair: knocked, gapMs } of packets) {
          atMs += gapMs;
          // A source that was silent longer than any seq_timeout is forgotten.
          if (gapMs > index.longestTimeoutMs) [list, used] = [[], new Map()];
          list.push({ atMs, pair: knocked });
          standings = new Map();
          const completions = matcher.matchPacket(atMs, source, knocked);
          for (const sequence of live.filter(({ pairs }) => pairs.includes(knocked))) {
            const unused = list.slice(used.get(sequence.id) ?? 0);
            assert.deepEqual(standings.get(sequence.id), referenceStanding(unused, sequence, index.longestRun));
          }
          for (const { sequence } of completions) used.set(sequence.id, list.length);
        }
      },
    ),
    { numRuns: process.env['KNOCK_OTP_LONG'] !== undefined ? 50_000 : 200 },
  );
});
