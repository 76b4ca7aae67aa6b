/**
 * Floods against the matcher: its memory has a limit, and invented sources evict no attempt in progress (knockd #1.6).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LiveSequence } from '../../../../../server/core/matching/live-sequence.ts';
import { Matcher } from '../../../../../server/core/matching/matcher.ts';
import { SequenceIndex } from '../../../../../server/core/matching/sequence-index.ts';
import { type AddressKey, addressKeyOfBytes } from '../../../../../shared/address.ts';
import { address, liveSequence } from '../../../../support/core/doors.ts';
import { memoryInUse } from '../../../../support/host/memory.ts';

const CLIENT = address('192.0.2.7');
const LIMITS = { sources: 1_000, promisingSources: 50, boundSources: 20 };

function matcherOf(...sequences: readonly LiveSequence[]): Matcher {
  const index = new SequenceIndex();
  for (const sequence of sequences) index.add(sequence);
  return new Matcher(index, LIMITS);
}

/** A different address for each number. */
function invented(number: number): AddressKey {
  return addressKeyOfBytes(Uint8Array.of(11, (number >> 16) & 255, (number >> 8) & 255, number & 255));
}

test('sources that touch nothing live are not remembered at all', () => {
  const matcher = matcherOf(liveSequence());
  for (let i = 0; i < 100_000; i += 1) matcher.matchPacket(i / 100, invented(i), 1024 + (i % 5000));
  assert.equal(matcher.trackedSources, 0);
});

test('a flood of sources at a live port fills the table to its limit and no further', () => {
  const matcher = matcherOf(liveSequence());
  for (let i = 0; i < 50_000; i += 1) matcher.matchPacket(i / 100, invented(i), 7001);
  assert.equal(matcher.trackedSources, LIMITS.sources);
  assert.equal(matcher.evictedSources, 49_000);
});

test('a knock in progress survives a flood of invented sources at a live port', () => {
  const matcher = matcherOf(liveSequence());
  matcher.matchPacket(0, CLIENT, 7001);
  matcher.matchPacket(1, CLIENT, 9002);
  for (let i = 0; i < 50_000; i += 1) matcher.matchPacket(2 + i / 100, invented(i), 7001);
  assert.equal(matcher.matchPacket(503, CLIENT, 8003).length, 1);
});

test('sources that touch two knocks of a sequence are limited too', () => {
  const matcher = matcherOf(liveSequence());
  for (let i = 0; i < 10_000; i += 1) {
    matcher.matchPacket(i / 100, invented(i), 7001);
    matcher.matchPacket(i / 100, invented(i), 9002);
  }
  assert.ok(matcher.trackedSources <= LIMITS.sources + LIMITS.promisingSources, `${matcher.trackedSources}`);
});

test('when a flood is over then what it left is forgotten with time', () => {
  const matcher = matcherOf(liveSequence());
  for (let i = 0; i < 900; i += 1) matcher.matchPacket(i / 100, invented(i), 7001);
  for (let i = 0; i < 900; i += 1) matcher.matchPacket(20_000 + i, CLIENT, 7001);
  assert.equal(matcher.trackedSources, 1);
});

test('one source cannot make its track grow, whatever it sends', () => {
  const strict = Array.from({ length: 200 }, (_, id) =>
    liveSequence({ id: id + 1, order: 'strict', pairs: [2000 + id, 3000 + id, 4000 + id] }),
  );
  const matcher = matcherOf(...strict);
  const before = memoryInUse('heapUsed');
  for (let i = 0; i < 300_000; i += 1) matcher.matchPacket(i / 100, CLIENT, 1 + (i % 65_535));
  assert.equal(matcher.trackedSources, 1);
  assert.ok(memoryInUse('heapUsed') - before < 50_000_000);
});

test('the noise of one host changes nothing for another: knockd forgot all attempts when the oldest ended', () => {
  const matcher = matcherOf(liveSequence({ order: 'strict', pairs: [7000, 8000, 9000] }));
  const noisy = address('198.51.100.9');
  let opened = 0;
  for (let round = 0; round < 20; round += 1) {
    const at = round * 1000;
    matcher.matchPacket(at, noisy, 7000);
    for (const [knock, pair] of [7000, 8000, 9000].entries()) {
      matcher.matchPacket(at + knock * 10 + 1, noisy, knock % 2 === 0 ? 9000 : 7000);
      opened += matcher.matchPacket(at + knock * 10 + 2, CLIENT, pair).length;
    }
  }
  assert.equal(opened, 20);
});
