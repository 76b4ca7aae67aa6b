/** The numbers that the design promises, and the laws behind them. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  entropyBits,
  isGuessable,
  log10OpeningsPerDay,
  MAX_STRAYS,
  MIN_ENTROPY_BITS,
  type OddsInput,
  strayBudget,
} from '../../../shared/odds.ts';

const door = (knocks: number, liveSequences: number, anyOrder = true): OddsInput => ({
  knocks,
  pairs: 60_000,
  liveSequences,
  anyOrder,
});

const inputArbitrary: fc.Arbitrary<OddsInput> = fc.record({
  knocks: fc.integer({ min: 1, max: 32 }),
  pairs: fc.integer({ min: 32, max: 131_070 }),
  liveSequences: fc.integer({ min: 1, max: 100_000 }),
  anyOrder: fc.boolean(),
});

describe('the stray budget', () => {
  for (const [knocks, live, strays] of [
    [6, 3, 194],
    [6, 300, 75],
    [6, 30_000, 28],
    [4, 3, 3],
    [4, 300, 0],
    [4, 30_000, 0],
    [8, 3, 256],
    [8, 300, 256],
    [8, 30_000, 256],
  ] as const) {
    test(`of ${knocks} knocks among ${live} live sequences is ${strays}`, () => {
      assert.equal(strayBudget(door(knocks, live)), strays);
    });
  }

  test('is the largest that keeps an opening under one in a million days', () => {
    fc.assert(
      fc.property(inputArbitrary, (input) => {
        const strays = strayBudget(input);
        if (strays > 0) assert.ok(log10OpeningsPerDay(input, strays) <= -6);
        if (strays < MAX_STRAYS) assert.ok(log10OpeningsPerDay(input, strays + 1) > -6);
        assert.equal(isGuessable(input), log10OpeningsPerDay(input, 0) > -6);
      }),
    );
  });

  test('never grows with more live sequences, nor shrinks with a strict order', () => {
    fc.assert(
      fc.property(inputArbitrary, (input) => {
        assert.ok(strayBudget({ ...input, liveSequences: input.liveSequences + 1 }) <= strayBudget(input));
        assert.ok(strayBudget({ ...input, anyOrder: false }) >= strayBudget({ ...input, anyOrder: true }));
      }),
    );
  });

  test('is whole where nothing is live', () => {
    assert.equal(strayBudget(door(1, 0)), MAX_STRAYS);
    assert.equal(isGuessable(door(1, 0)), false);
    assert.equal(strayBudget({ ...door(6, 0), pairs: 0 }), MAX_STRAYS, 'nor is there anything to knock at');
  });
});

describe('the odds', () => {
  test('agree with the formula in plain arithmetic where numbers are small', () => {
    // n = 2, R = 100, w = 3, L = 4: C(4, 1) * 2 * 4 / 10^4 a packet
    const openings = (4 * 2 * 4 * 1e5 * 86_400) / 1e4;
    const input = { knocks: 2, pairs: 100, liveSequences: 4, anyOrder: true };
    assert.ok(Math.abs(log10OpeningsPerDay(input, 3) - Math.log10(openings)) < 1e-9);
    assert.ok(Math.abs(log10OpeningsPerDay({ ...input, anyOrder: false }, 3) - Math.log10(openings / 2)) < 1e-9);
  });

  test('of a sender who knows the pairs go by how many sequences those make', () => {
    // n = 2, 2^10 sequences, w = 3, L = 4: C(4, 1) * 4 / 2^10 a packet, whatever the pairs and the order
    const openings = (4 * 4 * 1e5 * 86_400) / 1024;
    for (const anyOrder of [true, false]) {
      const input = { knocks: 2, pairs: 100, liveSequences: 4, anyOrder, bits: 10 };
      assert.ok(Math.abs(log10OpeningsPerDay(input, 3) - Math.log10(openings)) < 1e-9);
    }
  });

  test('of one knock are those of guessing a port', () => {
    const input = { knocks: 1, pairs: 65_536, liveSequences: 1, anyOrder: true };
    assert.ok(Math.abs(log10OpeningsPerDay(input, 0) - Math.log10((1e5 * 86_400) / 65_536)) < 1e-9);
    assert.equal(isGuessable(input), true);
  });
});

describe('entropy', () => {
  test('counts ordered and unordered choices of distinct pairs', () => {
    assert.ok(Math.abs(entropyBits({ knocks: 3, pairs: 10, anyOrder: false }) - Math.log2(720)) < 1e-9);
    assert.ok(Math.abs(entropyBits({ knocks: 3, pairs: 10, anyOrder: true }) - Math.log2(120)) < 1e-9);
  });

  test('of more knocks than pairs is a number all the same', () => {
    assert.ok(Math.abs(entropyBits({ knocks: 4, pairs: 2, anyOrder: false }) - 1) < 1e-9);
  });

  test('of six knocks from the default ports is above the minimum, of three it is not', () => {
    assert.ok(entropyBits({ knocks: 6, pairs: 64_500, anyOrder: true }) > MIN_ENTROPY_BITS);
    assert.ok(entropyBits({ knocks: 3, pairs: 64_500, anyOrder: true }) < MIN_ENTROPY_BITS);
  });
});
