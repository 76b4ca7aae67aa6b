/** Sequences bound to the source: independence of addresses, and the matcher against its definition. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { firstPartStrays } from '../../../../server/core/matching/bound-attempt.ts';
import type { LiveSequence } from '../../../../server/core/matching/live-sequence.ts';
import { Matcher } from '../../../../server/core/matching/matcher.ts';
import { SequenceIndex } from '../../../../server/core/matching/sequence-index.ts';
import { type AddressKey, addressBytes, addressKeyOfBytes } from '../../../../shared/address.ts';
import { derivationKey, deriveSequence } from '../../../../shared/derive.ts';
import { formatSequence } from '../../../../shared/knock.ts';
import { Secret } from '../../../../shared/secret.ts';
import { arrivalArbitrary, doorRules, pairArbitrary } from '../../../support/core/arbitraries.ts';
import { address, enrolment } from '../../../support/core/doors.ts';
import { type Packet, referenceCompletes, referenceCompletesBound } from '../../../support/core/reference-matcher.ts';

const RUNS = process.env['KNOCK_OTP_LONG'] !== undefined ? 100_000 : 1_000;
const sources = ['192.0.2.1', '192.0.2.2', '2001:db8::1'].map(address);

test('second parts of different addresses differ, and are none of what the first part is', () => {
  const ports = Array.from({ length: 60_000 }, (_, at) => 1024 + at);
  const shape = { knocks: 6, ports, protocols: 'tcp' } as const;
  const identity = { server: 's', door: 'd', client: 'c', mode: 'hotp' } as const;
  const bytes = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 20, maxLength: 20 }), bytes, bytes, fc.nat(), (secret, a, b, factor) => {
      const key = derivationKey(Secret.fromBytes(secret));
      const of = (boundSource?: Uint8Array) =>
        formatSequence(
          deriveSequence(key, boundSource === undefined ? identity : { ...identity, boundSource }, factor, shape),
        );
      assert.notEqual(of(a), of());
      // The daemon's address key gives the same sequence.
      assert.equal(of(addressBytes(addressKeyOfBytes(a))), of(a));
      if (Buffer.compare(a, b) === 0) assert.equal(of(a), of(b));
      else assert.notEqual(of(a), of(b));
    }),
    { numRuns: 300 },
  );
});

const PAIRS = 5;
// Ports of a derived sequence are distinct; its two parts may share ports.
const parts = fc.integer({ min: 1, max: 3 }).chain((knocks) => {
  const part = fc.uniqueArray(pairArbitrary(PAIRS), { minLength: knocks, maxLength: knocks });
  return fc.tuple(part, fc.array(part, { minLength: sources.length, maxLength: sources.length }));
});
const attempt = fc.record({ ...doorRules({ timeoutMs: 60, enteredMs: 40 }), parts, binds: fc.boolean() });
const arrival = arrivalArbitrary(sources.length, PAIRS);

type Fields = typeof attempt extends fc.Arbitrary<infer T> ? T : never;

/** For the reference with the whole attempt's budget, and for the index. */
function asLive({ parts: [pairs, seconds], binds, ...fields }: Fields, at: number) {
  const plain: LiveSequence = { ...fields, pairs, id: at + 1, door: `d${at}`, client: 'c', keyId: 'k', factor: at };
  const secondOf = (source: AddressKey) => seconds[sources.indexOf(source)] ?? [];
  const live: LiveSequence = binds
    ? { ...plain, maxStrays: firstPartStrays(pairs.length, plain.maxStrays), secondPart: secondOf }
    : plain;
  return { plain, live, secondOf, binds };
}

test('the matcher agrees with the naive definition of attempts in two parts, on every packet of every source', () => {
  fc.assert(
    fc.property(
      fc.array(attempt, { minLength: 1, maxLength: 8, size: 'max' }),
      fc.array(arrival, { minLength: 1, maxLength: 90, size: 'max' }),
      (fields, arrivals) => {
        const index = new SequenceIndex();
        const all = fields.map(asLive);
        for (const { live } of all) index.add(live);
        const matcher = new Matcher(index);
        const used = new Map<string, number>();
        const lists: Packet[][] = sources.map(() => []);
        let atMs = 0;
        for (const { source, pair: knocked, gapMs } of arrivals) {
          atMs += gapMs;
          const list = lists[source] ?? [];
          const key = sources[source];
          assert.ok(key !== undefined);
          list.push({ atMs, pair: knocked });
          const completed = matcher.matchPacket(atMs, key, knocked).map(({ sequence }) => sequence.factor);
          const expected = all
            .filter(({ plain, binds, secondOf }) => {
              const unused = list.slice(used.get(`${source} ${plain.id}`) ?? 0);
              if (!binds) return referenceCompletes(unused, plain);
              return referenceCompletesBound(unused, plain, secondOf(key));
            })
            .map(({ plain }) => plain.factor);
          for (const factor of expected) used.set(`${source} ${factor + 1}`, list.length);
          assert.deepEqual(completed.toSorted(), expected.toSorted());
        }
      },
    ),
    { numRuns: RUNS },
  );
});

test('without its first part a second part completes nothing, whatever comes between', () => {
  const first = [1, 2, 3];
  const second = [11, 12, 13];
  const traffic = fc.array(fc.constantFrom(2, 3, 11, 12, 13, 20, 21, 22), { maxLength: 60 });
  fc.assert(
    fc.property(traffic, fc.constantFrom('any' as const, 'strict' as const), (packets, order) => {
      const index = new SequenceIndex();
      index.add({
        id: 1,
        door: 'd',
        client: 'c',
        keyId: enrolment('c').keyId,
        factor: 0,
        pairs: first,
        order,
        seqTimeoutMs: 1e6,
        maxStrays: 100,
        enteredAtMs: 0,
        secondPart: () => second,
      });
      const matcher = new Matcher(index);
      const [source] = sources;
      assert.ok(source !== undefined);
      for (const [at, knocked] of packets.entries()) assert.deepEqual(matcher.matchPacket(at, source, knocked), []);
    }),
    { numRuns: 500 },
  );
});
