import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FactorState } from '../../../../server/core/door.ts';
import { acceptableFactors, decideFactor, MAX_DRIFT_STEPS } from '../../../../server/core/policy.ts';
import { doorPolicy } from '../../../support/core/doors.ts';

const STEP_MS = 30_000;
/** The middle of time step 1000. */
const NOW = 1000 * STEP_MS + 15_000;

function at(wallMs: number, startedWallMs = wallMs, clockTrusted = true) {
  return { completedWallMs: wallMs, startedWallMs, clockTrusted };
}

const totpRows: readonly { why: string; factor: number; state: FactorState; accept: boolean | string }[] = [
  { why: 'the current step opens', factor: 1000, state: { spent: -1, drift: 0 }, accept: true },
  { why: 'a clock one step slow opens', factor: 999, state: { spent: -1, drift: 0 }, accept: true },
  { why: 'a clock one step fast opens', factor: 1001, state: { spent: -1, drift: 0 }, accept: true },
  { why: 'two steps slow is outside', factor: 998, state: { spent: -1, drift: 0 }, accept: 'outside-window' },
  { why: 'two steps fast is outside', factor: 1002, state: { spent: -1, drift: 0 }, accept: 'outside-window' },
  { why: 'the spent step is a replay', factor: 1000, state: { spent: 1000, drift: 0 }, accept: 'replay' },
  { why: 'a step before the spent one is a replay', factor: 999, state: { spent: 1000, drift: 0 }, accept: 'replay' },
  { why: 'the step after the spent one opens', factor: 1001, state: { spent: 1000, drift: 0 }, accept: true },
  { why: 'learned drift moves the window', factor: 1003, state: { spent: 5, drift: 2 }, accept: true },
  {
    why: 'learned drift moves its other edge too',
    factor: 1000,
    state: { spent: 5, drift: 2 },
    accept: 'outside-window',
  },
];

for (const { why, factor, state, accept } of totpRows) {
  test(`totp: ${why}`, () => {
    const decision = decideFactor(doorPolicy(), state, factor, at(NOW));
    assert.deepEqual(decision.accept ? true : decision.reason, accept);
  });
}

const hotpRows: readonly { why: string; factor: number; spent: number; accept: boolean | string }[] = [
  { why: 'the next counter opens', factor: 5, spent: 4, accept: true },
  { why: 'ten ahead resynchronizes', factor: 15, spent: 4, accept: true },
  { why: 'eleven ahead does not', factor: 16, spent: 4, accept: 'outside-window' },
  { why: 'the spent counter is a replay', factor: 4, spent: 4, accept: 'replay' },
  { why: 'the first counter of a new client is 0', factor: 0, spent: -1, accept: true },
];

for (const { why, factor, spent, accept } of hotpRows) {
  test(`hotp: ${why}`, () => {
    const decision = decideFactor(doorPolicy({ mode: 'hotp' }), { spent, drift: 0 }, factor, at(NOW, NOW, false));
    assert.deepEqual(decision.accept ? true : decision.reason, accept);
  });
}

test('hotp: at the end of all counters the range ends with them', () => {
  const last = Number.MAX_SAFE_INTEGER;
  const range = acceptableFactors(doorPolicy({ mode: 'hotp' }), { spent: last - 3, drift: 0 }, NOW);
  assert.deepEqual(range, { from: last - 2, to: last });
});

test('when a knock began before the step edge then the step that was acceptable then still opens', () => {
  const edge = 1001 * STEP_MS;
  const decision = decideFactor(doorPolicy(), { spent: -1, drift: 0 }, 999, at(edge + 500, edge - 500));
  assert.equal(decision.accept, true);
});

test('when a knock began after the edge then the step that left the window does not open', () => {
  const edge = 1001 * STEP_MS;
  assert.equal(decideFactor(doorPolicy(), { spent: -1, drift: 0 }, 999, at(edge + 500, edge)).accept, false);
});

test('when the clock stands before a time already seen then a totp door refuses', () => {
  const decision = decideFactor(doorPolicy(), { spent: -1, drift: 0 }, 1000, at(NOW, NOW, false));
  assert.deepEqual(decision, { accept: false, reason: 'clock-back' });
});

test('accepting spends the factor and remembers when', () => {
  const decision = decideFactor(doorPolicy(), { spent: 7, drift: 0 }, 1000, at(NOW));
  assert.deepEqual(decision, { accept: true, state: { spent: 1000, drift: 0, lastUse: NOW } });
});

test('drift is learned from a client that was free to choose its step', () => {
  const decision = decideFactor(doorPolicy(), { spent: 900, drift: 0 }, 1001, at(NOW));
  assert.equal(decision.accept && decision.state.drift, 1);
});

test('drift is not learned when the client had to take a later step because the current one was spent', () => {
  const decision = decideFactor(doorPolicy(), { spent: 1000, drift: 0 }, 1001, at(NOW));
  assert.equal(decision.accept && decision.state.drift, 0);
});

test('a client is free to choose where more steps are unspent than both sides of the window and its middle', () => {
  // Window 1: the client may have had to take any of the three steps after the spent one.
  for (const [spent, drift] of [
    [998, 0],
    [997, 1],
  ] as const) {
    const decision = decideFactor(doorPolicy(), { spent, drift: 0 }, 1001, at(NOW));
    assert.equal(decision.accept && decision.state.drift, drift, `spent ${spent}`);
  }
});

test('where the window is wider, more steps may be what a client had to take', () => {
  for (const [spent, drift] of [
    [996, 0],
    [995, 1],
  ] as const) {
    const decision = decideFactor(doorPolicy({ window: 2 }), { spent, drift: 0 }, 1001, at(NOW));
    assert.equal(decision.accept && decision.state.drift, drift, `spent ${spent}`);
  }
});

test('a counter says nothing of a clock: hotp learns no drift', () => {
  const decision = decideFactor(doorPolicy({ mode: 'hotp' }), { spent: 4, drift: 0 }, 12, at(NOW));
  assert.equal(decision.accept && decision.state.drift, 0);
});

test('drift never grows beyond its bound', () => {
  const decision = decideFactor(
    doorPolicy(),
    { spent: 5, drift: MAX_DRIFT_STEPS },
    1000 + MAX_DRIFT_STEPS + 1,
    at(NOW),
  );
  assert.equal(decision.accept && decision.state.drift, MAX_DRIFT_STEPS);
});
