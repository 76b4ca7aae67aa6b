import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DerivedDoor } from '../../../../server/config/config.ts';
import { doorBudget, shapeBits } from '../../../../server/config/stray-budget.ts';
import { MAX_STRAYS, TOLERATED_OPENINGS_PER_DAY } from '../../../../shared/odds.ts';
import { derivedDoor, doorText, readText } from '../../../support/core/config-text.ts';

function door(...lines: string[]): DerivedDoor {
  const { config, problems } = readText(doorText('ssh', ...lines));
  assert.deepEqual(problems, []);
  return derivedDoor(config);
}

const rows: readonly { lines: string[]; clients: number; live: number; why: string }[] = [
  { lines: [], clients: 1, live: 4, why: 'now, one step either way, and one that lingers for seq_timeout' },
  { lines: ['window = 0'], clients: 2, live: 4, why: 'each client has its own' },
  { lines: ['seq_timeout = 31'], clients: 1, live: 5, why: 'two steps begin within seq_timeout' },
  { lines: ['otp = hotp'], clients: 3, live: 33, why: 'the next counter and ten beyond' },
  { lines: ['otp = hotp', 'look_ahead = 0'], clients: 3, live: 3, why: 'the next counter only' },
  { lines: [], clients: 0, live: 0, why: 'nobody is enrolled' },
];

for (const { lines, clients, live, why } of rows) {
  test(`when a door says ${JSON.stringify(lines)} for ${clients} clients then ${live} are live (${why})`, () => {
    assert.equal(doorBudget(door(...lines), clients).liveSequences, live);
  });
}

test('when strays are budgeted then one more would miss the target of the design', () => {
  const budget = doorBudget(door(), 1);
  assert.ok(budget.maxStrays < MAX_STRAYS);
  assert.ok(10 ** budget.log10OpeningsPerDay <= TOLERATED_OPENINGS_PER_DAY);
  // The odds of n knocks in any order grow by (w + n) / (w + 1) with one more stray.
  const grown = 10 ** budget.log10OpeningsPerDay * ((budget.maxStrays + 6) / (budget.maxStrays + 1));
  assert.ok(grown > TOLERATED_OPENINGS_PER_DAY);
});

test('when both protocols are allowed then pairs double and each knock is worth one bit more', () => {
  const [tcp, both] = [doorBudget(door(), 1), doorBudget(door('protocols = both'), 1)];
  assert.equal(both.pairs, 2 * tcp.pairs);
  assert.ok(Math.abs(both.bits - tcp.bits - 6) < 1e-9);
});

test('when a shape is small enough to count then its bits are the logarithm of that count', () => {
  const ports = [1, 2, 3, 4];
  const bits = (protocols: 'tcp' | 'both', order: 'any' | 'strict'): number =>
    Math.round(2 ** shapeBits({ knocks: 2, ports, protocols }, order));
  assert.deepEqual(
    [bits('tcp', 'strict'), bits('tcp', 'any'), bits('both', 'strict'), bits('both', 'any')],
    [12, 6, 48, 24],
  );
});

test('when max_strays is given then it lowers the budget and never raises it', () => {
  assert.equal(doorBudget(door('max_strays = 20'), 1).maxStrays, 20);
  assert.equal(doorBudget(door('max_strays = 256'), 1).maxStrays, doorBudget(door(), 1).maxStrays);
});

const warned: readonly { lines: string[]; clients: number; says: RegExp; why: string }[] = [
  { lines: [], clients: 0, says: /no client is enrolled/, why: 'there is no client' },
  { lines: ['max_strays = 3'], clients: 1, says: /only 3 strays/, why: 'the administrator limits it' },
  { lines: ['knocks = 4'], clients: 2, says: /only \d strays/, why: 'four knocks allow few' },
  { lines: ['knocks = 4', 'otp = hotp'], clients: 9999, says: /may open this door/, why: 'too many sequences' },
];

for (const { lines, clients, says, why } of warned) {
  test(`when a door says ${JSON.stringify(lines)} for ${clients} clients then it is warned of (${why})`, () => {
    const { warnings } = doorBudget(door(...lines), clients);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0]?.message ?? '', says);
  });
}

test('when the default door has some clients then there is nothing to warn of', () => {
  for (const clients of [1, 3, 50, 100]) assert.deepEqual(doorBudget(door(), clients).warnings, []);
});
