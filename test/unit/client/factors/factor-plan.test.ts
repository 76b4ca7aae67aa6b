import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FactorRequest, planFactor } from '../../../../client/factors/factor-plan.ts';
import { factorBudget, RESEND_AFTER_MS } from '../../../../client/knock/retry-times.ts';

const STEP_MS = 30_000;
const T = 1000;
const totp: FactorRequest = {
  mode: 'totp',
  wallMs: T * STEP_MS + 10_000,
  stepSeconds: 30,
  window: 1,
  firstCounter: 0,
  lastUsed: -1,
  mayBeEarly: true,
};

const rows: readonly { when: string; question: Partial<FactorRequest>; want: [number, number, boolean] }[] = [
  { when: 'nothing was used', question: {}, want: [T, 0, false] },
  { when: 'the step begins this millisecond', question: { wallMs: T * STEP_MS }, want: [T, 0, false] },
  { when: 'the step ends next millisecond', question: { wallMs: (T + 1) * STEP_MS - 1 }, want: [T, 0, false] },
  { when: 'the step is used', question: { lastUsed: T }, want: [T + 1, 0, true] },
  { when: 'this step and the next are used', question: { lastUsed: T + 1 }, want: [T + 2, 20_000, true] },
  {
    when: 'the step is used and early is not allowed',
    question: { lastUsed: T, mayBeEarly: false },
    want: [T + 1, 20_000, false],
  },
  {
    when: 'the step is used and there is no window',
    question: { lastUsed: T, window: 0 },
    want: [T + 1, 20_000, false],
  },
  {
    when: 'there is no window and the step is nearly over',
    question: { window: 0, wallMs: (T + 1) * STEP_MS - 500 },
    want: [T + 1, 500, false],
  },
  {
    when: 'there is no window and a second is left',
    question: { window: 0, wallMs: (T + 1) * STEP_MS - 1000 },
    want: [T, 0, false],
  },
  { when: 'an old step is the last used', question: { lastUsed: T - 50 }, want: [T, 0, false] },
  { when: 'the clock went back two steps', question: { lastUsed: T + 2 }, want: [T + 3, 50_000, true] },
  { when: 'a counter was never used', question: { mode: 'hotp', firstCounter: 7 }, want: [7, 0, false] },
  { when: 'a counter was used', question: { mode: 'hotp', firstCounter: 7, lastUsed: 9 }, want: [10, 0, false] },
  {
    when: 'the profile begins above the last counter',
    question: { mode: 'hotp', firstCounter: 70, lastUsed: 9 },
    want: [70, 0, false],
  },
];

for (const { when, question, want } of rows) {
  test(`when ${when} then factor, wait and earliness are as planned`, () => {
    const plan = planFactor({ ...totp, ...question });
    assert.deepEqual([plan.factor, plan.waitMs, plan.early], want);
  });
}

test('when a sequence is repeated then the pauses grow', () => {
  const pauses = RESEND_AFTER_MS.map((at, index) => at - (RESEND_AFTER_MS[index - 1] ?? 0));
  assert.deepEqual(
    pauses,
    [...pauses].sort((a, b) => a - b),
  );
  assert.equal(new Set(pauses).size, pauses.length);
});

test('when a host has many addresses then no run spends more than four factors', () => {
  assert.deepEqual([1, 2, 3, 4, 9].map(factorBudget), [2, 2, 3, 4, 4]);
});
