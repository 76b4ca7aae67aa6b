import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Contest, contestFrom } from '../../../../server/core/contest.ts';
import type { LiveSequence } from '../../../../server/core/matching/live-sequence.ts';
import { Matcher } from '../../../../server/core/matching/matcher.ts';
import { SequenceIndex } from '../../../../server/core/matching/sequence-index.ts';
import type { AddressKey } from '../../../../shared/address.ts';
import { arrivalArbitrary, asLive, liveArbitrary } from '../../../support/core/arbitraries.ts';
import { address } from '../../../support/core/doors.ts';
import { referenceRival, referenceShows } from '../../../support/core/reference-contest.ts';
import { type Packet, referenceCompletes } from '../../../support/core/reference-matcher.ts';

// Two addresses of one /64, one of another /64, one IPv4 address.
const sources = ['2001:db8:0:1::1', '2001:db8:0:1:ffff::2', '2001:db8:0:2::1', '192.0.2.1'].map(address);

const liveSequence = liveArbitrary({ pairs: 8, knocks: 6, timeoutMs: 60 });
const arrival = arrivalArbitrary(sources.length, 8);

test('who shows that he knows a sequence, and who is whose rival, agrees with the naive definition', () => {
  let rivals = 0;
  fc.assert(
    fc.property(
      fc.array(liveSequence, { minLength: 1, maxLength: 12, size: 'max' }),
      fc.array(arrival, { minLength: 1, maxLength: 80, size: 'max' }),
      (fields, arrivals) => {
        const index = new SequenceIndex();
        const live = fields.map(asLive).map((each) => ({ ...each, contestFrom: contestFrom(each.pairs.length) }));
        for (const sequence of live) index.add(sequence);
        const matcher = new Matcher(index);
        const contest = new Contest();
        const used = new Map<string, number>();
        const shown = new Map<number, AddressKey[]>();
        const lists: Packet[][] = sources.map(() => []);
        let atMs = 0;
        for (const { source, pair: knocked, gapMs } of arrivals) {
          atMs += gapMs;
          const list = lists[source] ?? [];
          const key = sources[source];
          assert.ok(key !== undefined);
          list.push({ atMs, pair: knocked });
          const completed = matcher.matchPacket(atMs, key, knocked);
          assert.ok(
            completed.every(({ sequence }) => matcher.contended.includes(sequence)),
            'a completing packet also makes a contender',
          );
          const unused = ({ id }: LiveSequence) => list.slice(used.get(`${source} ${id}`) ?? 0);
          const expected = live.filter((one) => referenceShows(unused(one), one, one.contestFrom));
          assert.deepEqual(matcher.contended.map(({ id }) => id).toSorted(), expected.map(({ id }) => id).toSorted());
          for (const sequence of expected) {
            const before = shown.get(sequence.id) ?? [];
            const rival = referenceRival(before, key);
            const isNews = rival !== undefined && before.every((one) => referenceRival(before, one) === undefined);
            assert.equal(contest.addContender(sequence, key), isNews ? rival : undefined);
            shown.set(sequence.id, [...before, key]);
          }
          for (const sequence of live) {
            const others = shown.get(sequence.id) ?? [];
            for (const one of sources) {
              const rival = referenceRival(others, one);
              assert.equal(contest.rivalOf(sequence, one), rival);
              if (rival !== undefined) rivals += 1;
            }
            if (referenceCompletes(unused(sequence), sequence)) used.set(`${source} ${sequence.id}`, list.length);
          }
        }
      },
    ),
    { numRuns: process.env['KNOCK_OTP_LONG'] !== undefined ? 50_000 : 150 },
  );
  assert.ok(rivals > 100, `only ${rivals} rivals: the property has said next to nothing`);
});
