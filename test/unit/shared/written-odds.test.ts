/** The stray budget of a written-down sequence: the odds of a random sender, and a sweep over all its ports. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Matcher } from '../../../server/core/matching/matcher.ts';
import { SequenceIndex } from '../../../server/core/matching/sequence-index.ts';
import { type Pair, pairOf } from '../../../shared/knock.ts';
import { log10OpeningsPerDay, MAX_STRAYS, TOLERATED_OPENINGS_PER_DAY } from '../../../shared/odds.ts';
import { hasEchoes, isSweepable, writtenOdds, writtenStrayBudget } from '../../../shared/written-odds.ts';
import { address } from '../../support/core/doors.ts';

const SCANNER = address('192.0.2.66');

const rows: readonly { ports: Pair[]; strays: number; sweepable?: true; echoes?: true; why: string }[] = [
  { ports: [7000, 8000, 9000], strays: 0, why: 'three ports of the articles: no number reaches the target' },
  { ports: [7000, 9000, 8000, 6500], strays: 21, why: 'four ports up and down: what the odds allow' },
  { ports: [7000, 9000, 8000, 6500, 7777, 1234], strays: 256, why: 'six ports: the most there is' },
  { ports: [7000, 7005, 7010, 7015], strays: 11, why: 'a sweep past all four has 16 ports: 4 knocks and 12 strays' },
  { ports: [7015, 7010, 7005, 7000], strays: 11, why: 'the same downwards' },
  { ports: [7000, 7001, 7002], strays: 0, sweepable: true, why: 'a sweep sends exactly these' },
  { ports: [7000, 7001, 7003], strays: 0, why: 'a scan in order sends one port more, and no stray is left for it' },
  { ports: [7000, 9000, 8000, 7001], strays: 21, why: 'up and down: near ends do not make it a way in order' },
  { ports: [7000, 7003, 7001, 7002, 7005, 7004], strays: 256, why: 'up and down within six ports' },
  { ports: [7000], strays: 0, sweepable: true, why: 'every scan hits one port' },
  { ports: [7000, 7000, 7000], strays: 0, sweepable: true, echoes: true, why: 'a scanner repeats its packets' },
  {
    ports: [7000, 7000, 9000, 8000, 6500],
    strays: 20,
    echoes: true,
    why: 'odds of four, one place taken by the repeat',
  },
];

for (const { ports, strays, sweepable = false, echoes = false, why } of rows) {
  test(`when a sequence has ${ports.length} knocks from ${ports[0]} then ${strays} strays are forgiven (${why})`, () => {
    assert.equal(isSweepable(ports), sweepable);
    assert.equal(hasEchoes(ports), echoes);
    assert.equal(writtenStrayBudget(ports, 1), strays);
  });
}

test('when a sequence uses both protocols then there are twice the pairs to guess among', () => {
  const [tcp, both] = [
    [7000, 9000, 8000, 6500],
    [7000, pairOf('udp', 9000), 8000, 6500],
  ];
  assert.equal(writtenOdds(both, 1).pairs, 2 * writtenOdds(tcp, 1).pairs);
  assert.ok(writtenStrayBudget(both, 1) > writtenStrayBudget(tcp, 1));
});

test('when strays are budgeted then random packets stay below the target of the design, or there are none', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 65_535 }), { minLength: 1, maxLength: 32 }),
      fc.integer({ min: 1, max: 100 }),
      (ports, live) => {
        const strays = writtenStrayBudget(ports, live);
        assert.ok(strays >= 0 && strays <= MAX_STRAYS);
        const odds = log10OpeningsPerDay(writtenOdds(ports, live), strays);
        assert.ok(strays === 0 || 10 ** odds <= TOLERATED_OPENINGS_PER_DAY);
      },
    ),
  );
});

/** Whether a scan in order, up or down, with each port repeated, completes the sequence. */
function sweepOpens(pairs: readonly Pair[], { down = false, repeats = 1 } = {}): boolean {
  const index = new SequenceIndex();
  index.add({
    id: 1,
    door: 'ssh',
    client: '',
    keyId: '',
    factor: 0,
    pairs,
    order: 'strict',
    seqTimeoutMs: 1e9,
    maxStrays: writtenStrayBudget(pairs, 1),
    enteredAtMs: 0,
  });
  const matcher = new Matcher(index);
  for (let step = 0; step < 1000; step += 1) {
    const port = 7000 + (down ? 999 - step : step);
    for (let again = 0; again < repeats; again += 1)
      if (matcher.matchPacket(step, SCANNER, port).length > 0) return true;
  }
  return false;
}

test('when a sequence is swept then it opens only if that is said of it, and never for more strays than budgeted', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 7000, max: 7999 }), { minLength: 1, maxLength: 8 }),
      fc.boolean(),
      (ports, down) => {
        if (isSweepable(ports)) return;
        assert.equal(sweepOpens(ports, { down }), false);
        if (!hasEchoes(ports)) assert.equal(sweepOpens(ports, { down, repeats: 2 }), false);
      },
    ),
    { numRuns: 300 },
  );
});

test('when a sequence is said to be sweepable then one sweep opens it', () => {
  assert.equal(sweepOpens([7000, 7001, 7002]), true);
  assert.equal(sweepOpens([7002, 7001, 7000], { down: true }), true);
  assert.equal(sweepOpens([7100, 7100], { repeats: 2 }), true);
});
