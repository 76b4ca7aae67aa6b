/** Penalties: what a wrong combination is, and what it costs its source. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DoorPolicy } from '../../../../../server/core/door.ts';
import { Matcher } from '../../../../../server/core/matching/matcher.ts';
import { MAX_IGNORED, Penalties, penaltyFrom } from '../../../../../server/core/matching/penalty.ts';
import { PenaltyWatch } from '../../../../../server/core/matching/penalty-watch.ts';
import { SequenceIndex } from '../../../../../server/core/matching/sequence-index.ts';
import { SourceTrack } from '../../../../../server/core/matching/source-track.ts';
import { addressKeyOfBytes } from '../../../../../shared/address.ts';
import type { Pair } from '../../../../../shared/knock.ts';
import { address, doorPolicy, enrolment, liveSequence, pairsFor } from '../../../../support/core/doors.ts';
import { EngineBench, kinds, OTHER, SOURCE } from '../../../../support/core/engine-bench.ts';

const PENALTY_MS = 60_000;
const laptop = enrolment('laptop');
const phone = enrolment('phone');

function benchWith(changes: Partial<DoorPolicy> = {}): {
  bench: EngineBench;
  knocks: (step: number) => readonly Pair[];
} {
  const door = doorPolicy({ maxStrays: 4, penaltyMs: PENALTY_MS, ...changes });
  return { bench: new EngineBench([door], [laptop, phone]), knocks: (step) => pairsFor(door, laptop, step) };
}

/** Distinct ports below those that doors derive. */
function strays(count: number): readonly Pair[] {
  return Array.from({ length: count }, (_, at) => 100 + at);
}

interface Row {
  readonly what: string;
  readonly send: (knocks: readonly Pair[]) => readonly (Pair | { readonly passMs: number })[];
  readonly changes?: Partial<DoorPolicy>;
  readonly ignored: boolean;
}

const rows: readonly Row[] = [
  {
    what: 'half of the knocks and one stray too many',
    send: (k) => [...k.slice(0, 3), ...strays(5)],
    ignored: true,
  },
  { what: 'half of the knocks and all strays', send: (k) => [...k.slice(0, 3), ...strays(4)], ignored: false },
  { what: 'a stray sent many times', send: (k) => [...k.slice(0, 3), ...Array(50).fill(100)], ignored: false },
  { what: 'less than half of the knocks', send: (k) => [...k.slice(0, 2), ...strays(50)], ignored: false },
  {
    what: 'strays among the first half of the knocks, more than are forgiven',
    send: (k) => [...k.slice(0, 2), ...strays(5), ...k.slice(2, 3), ...strays(9).slice(5)],
    ignored: false,
  },
  { what: 'strays alone', send: () => strays(200), ignored: false },
  { what: 'strays before the knocks', send: (k) => [...strays(50), ...k.slice(0, 5)], ignored: false },
  {
    what: 'strays after seq_timeout',
    send: (k) => [...k.slice(0, 3), { passMs: 10_001 }, ...strays(50)],
    ignored: false,
  },
  {
    what: 'strays after a knock that opened',
    send: (k) => [...k, ...strays(50)],
    ignored: false,
  },
  {
    what: 'half of a spent sequence again, and strays',
    send: (k) => [...k, ...k.slice(0, 3), ...strays(50)],
    ignored: false,
  },
  {
    what: 'strict: the first half in order, then another port where none is forgiven',
    send: (k) => [...k.slice(0, 3), 100],
    changes: { order: 'strict', maxStrays: 0 },
    ignored: true,
  },
  {
    what: 'strict: the last half',
    send: (k) => [...k.slice(3), ...strays(50)],
    changes: { order: 'strict' },
    ignored: false,
  },
  {
    what: 'another factor after a knock that was lost',
    send: (k) => [...k.slice(0, 3), ...strays(6)],
    changes: { maxStrays: 6 },
    ignored: false,
  },
];

for (const { what, send, changes, ignored } of rows) {
  test(`${what}: ${ignored ? 'a wrong combination' : 'no wrong combination'}`, () => {
    const { bench, knocks } = benchWith(changes);
    const effects = send(knocks(1000)).flatMap((step) => {
      if (typeof step === 'number') return bench.packet(step);
      bench.pass(step.passMs);
      return [];
    });
    const said = kinds(effects).filter((kind) => kind.startsWith('ignored'));
    assert.deepEqual(said, ignored ? [`ignored ${PENALTY_MS}`] : []);
  });
}

test('when a source is ignored then its valid sequence is spent for nothing, and a later one opens', () => {
  const { bench, knocks } = benchWith();
  bench.knock([...knocks(999).slice(0, 3), ...strays(5)]);
  assert.deepEqual(kinds(bench.knock(knocks(1000))), ['penalty, spent']);
  assert.deepEqual(kinds(bench.knock(knocks(1000))), ['replay']);
  bench.pass(PENALTY_MS);
  bench.settle();
  assert.deepEqual(kinds(bench.knock(knocks(1002))), ['admit laptop']);
});

test('when a run began while its source was ignored then it does not open, although the time is over', () => {
  const { bench, knocks } = benchWith({ penaltyMs: 5_000 });
  bench.knock([...knocks(999).slice(0, 3), ...strays(5)]);
  bench.pass(4_900);
  bench.knock(knocks(1000).slice(0, 3));
  bench.pass(1_000);
  assert.deepEqual(kinds(bench.knock(knocks(1000).slice(3))), ['penalty, spent']);
});

test('when one source is ignored then others are not, nor is it at another door', () => {
  const ssh = doorPolicy({ maxStrays: 4, penaltyMs: PENALTY_MS });
  const web = doorPolicy({ name: 'web', maxStrays: 4, penaltyMs: PENALTY_MS });
  const visitor = enrolment('laptop', 'web', 'web');
  const bench = new EngineBench([ssh, web], [laptop, phone, visitor]);
  bench.knock([...pairsFor(ssh, laptop, 999).slice(0, 3), ...strays(5)]);
  assert.deepEqual(kinds(bench.knock(pairsFor(ssh, phone, 1000), OTHER)), ['admit phone']);
  assert.deepEqual(kinds(bench.knock(pairsFor(web, visitor, 1000))), ['admit laptop']);
});

test('when a door gives no penalties then the same packets cost nothing', () => {
  const bench = new EngineBench([doorPolicy({ maxStrays: 4 })], [laptop]);
  const door = doorPolicy();
  assert.deepEqual(kinds(bench.knock([...pairsFor(door, laptop, 999).slice(0, 3), ...strays(50)])), []);
  assert.deepEqual(kinds(bench.knock(pairsFor(door, laptop, 1000))), ['admit laptop']);
});

test('a revoked client has no combinations that could go wrong', () => {
  const { bench, knocks } = benchWith();
  bench.knock(knocks(1000).slice(0, 3));
  bench.engine.revoke('ssh', 'laptop');
  assert.deepEqual(kinds(bench.knock(strays(50))), []);
});

test('half of a sequence is two knocks or more', () => {
  assert.deepEqual(
    [1, 2, 3, 4, 5, 6, 7].map((knocks) => penaltyFrom(knocks)),
    [1, 2, 2, 2, 3, 3, 4],
  );
});

test('an IPv6 host that changes its address within its /64 stays ignored', () => {
  const penalties = new Penalties();
  penalties.punish('ssh', address('2001:db8::1'), 0, 10);
  assert.equal(penalties.isIgnored('ssh', address('2001:db8::2'), 9), true);
  assert.equal(penalties.isIgnored('ssh', address('2001:db8::2'), 10), false);
  assert.equal(penalties.isIgnored('ssh', address('2001:db8:0:1::1'), 0), false);
  assert.equal(penalties.isIgnored('ssh', SOURCE, 0), false);
});

test('when a source is half way through more sequences than are watched then it goes wrong on the first four, once each', () => {
  const index = new SequenceIndex();
  const ids = [1, 2, 3, 4, 5, 6];
  for (const id of ids) {
    const pairs = [1000 + id, 2000 + id, 3000 + id, 4000 + id];
    index.add(liveSequence({ id, pairs, maxStrays: 20, penaltyFrom: penaltyFrom(pairs.length) }));
  }
  const matcher = new Matcher(index);
  // Repeated knocks: a sequence is watched once and takes one place.
  for (const id of ids)
    for (const pair of [1000 + id, 2000 + id, 1000 + id, 2000 + id, 2000 + id]) matcher.matchPacket(1, SOURCE, pair);
  const wrong = strays(30).flatMap((pair) => {
    matcher.matchPacket(2, SOURCE, pair);
    return matcher.wrongCombinations.map(({ id }) => id);
  });
  assert.deepEqual(wrong, [1, 2, 3, 4]);
  assert.deepEqual(new PenaltyWatch().wrongCombinations(new SourceTrack()), []);
});

test('when a source let its time pass on some sequences then they take no places of those that it knocks now', () => {
  const index = new SequenceIndex();
  const sequences = [1, 2, 3, 4, 5].map((id) =>
    liveSequence({ id, pairs: [1000 + id, 2000 + id, 3000 + id, 4000 + id], maxStrays: 8, penaltyFrom: 2 }),
  );
  for (const sequence of sequences) index.add(sequence);
  const matcher = new Matcher(index);
  for (const { pairs } of sequences.slice(0, 4))
    for (const pair of pairs.slice(0, 2)) matcher.matchPacket(1, SOURCE, pair);
  const wrongAfter = (pairs: readonly Pair[]) =>
    pairs.flatMap((pair) => {
      matcher.matchPacket(10_002, SOURCE, pair);
      return matcher.wrongCombinations.map(({ id }) => id);
    });
  matcher.matchPacket(9_000, SOURCE, 1);
  assert.deepEqual(wrongAfter([1005, 2005, ...strays(9)]), [5]);
  // A removed sequence has no wrong combinations.
  wrongAfter([1001, 2001]);
  for (const sequence of sequences) index.remove(sequence);
  assert.deepEqual(wrongAfter(strays(30)), []);
});

test('beyond its room the table forgives whose penalty was given first, and keeps the newest', () => {
  const penalties = new Penalties();
  const sourceOf = (at: number) => addressKeyOfBytes(Uint8Array.of(11, 0, at >> 8, at & 255));
  const punish = (at: number) => penalties.punish('ssh', sourceOf(at), 0, 1000);
  const ignored = (...ats: number[]) => ats.map((at) => penalties.isIgnored('ssh', sourceOf(at), 1));
  for (let at = 0; at < MAX_IGNORED; at += 1) punish(at);
  assert.deepEqual(ignored(0, 1, MAX_IGNORED - 1), [true, true, true], 'so many have room');
  // A second penalty moves the end.
  punish(0);
  punish(MAX_IGNORED);
  assert.deepEqual(ignored(0, 1, 2, MAX_IGNORED), [true, false, true, true]);
  punish(MAX_IGNORED + 1);
  assert.deepEqual(ignored(0, 2, 3, MAX_IGNORED + 1), [true, false, true, true]);
  assert.equal(penalties.size, MAX_IGNORED);
});

test('a flood of wrong combinations fills the table to its limit and no further', () => {
  const penalties = new Penalties();
  for (let i = 0; i < 20_000; i += 1) {
    penalties.punish('ssh', addressKeyOfBytes(Uint8Array.of(11, (i >> 16) & 255, (i >> 8) & 255, i & 255)), i, 1000);
  }
  assert.equal(penalties.size, MAX_IGNORED);
});
