/** When an idle service is stopped: the fold over looks against the whole history. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { judgeService, type ServiceLook, type ServiceState } from '../../../../server/core/demand.ts';

interface Step {
  readonly afterMs: number;
  /** Undefined: unreadable. */
  readonly look: ServiceLook | undefined;
  readonly isWanted: boolean;
}

const look: fc.Arbitrary<ServiceLook | undefined> = fc.option(
  fc
    .record({
      listening: fc.boolean(),
      connections: fc.constantFrom(0, 0, 0, 1, 3),
      lastLoginMs: fc.option(fc.integer({ min: -100, max: 4_000 }), { nil: undefined }),
    })
    .map(({ lastLoginMs, ...rest }) => ({ ...rest, ...(lastLoginMs === undefined ? {} : { lastLoginMs }) })),
  { nil: undefined, freq: 9 },
);
const step: fc.Arbitrary<Step> = fc.record({
  afterMs: fc.integer({ min: 1, max: 400 }),
  look,
  isWanted: fc.boolean().chain((coin) => (coin ? fc.constant(false) : fc.boolean())),
});
const FRESH: ServiceState = { wasSeen: false, missing: 0, idleSinceMs: 0 };

/** The last moment of use in the history. */
function lastUse(history: readonly (Step & { readonly atMs: number })[]): number {
  let last = 0;
  for (const [at, { atMs, look: seen, isWanted }] of history.entries()) {
    const isBusy = seen === undefined || isWanted || seen.connections > 0;
    // After a busy look, idle time counts from the next idle look.
    if (isBusy) last = history[at + 1]?.atMs ?? atMs;
    else last = Math.max(last, Math.min(seen.lastLoginMs ?? 0, atMs));
  }
  return last;
}

test('whatever is seen, a service is stopped only when nothing used it for the whole idle time, and then it is', () => {
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 1, maxLength: 40 }),
      fc.integer({ min: 1, max: 2_000 }),
      (steps, idleMs) => {
        let state = FRESH;
        let nowMs = 0;
        const history: (Step & { atMs: number })[] = [];
        for (const each of steps) {
          nowMs += each.afterMs;
          history.push({ ...each, atMs: nowMs });
          const judged = judgeService(state, each.look, each.isWanted, nowMs, idleMs);
          state = judged.state;
          const everListened = history.some(({ look: seen }) => seen?.listening === true);
          const [before, last] = history.slice(-2).length === 2 ? history.slice(-2) : [undefined, history.at(-1)];
          const isSilent = (one: Step | undefined) => one?.look?.listening === false && one.look.connections === 0;
          const listenedBefore = history.slice(0, -2).some(({ look: seen }) => seen?.listening === true);
          if (listenedBefore && isSilent(before) && isSilent(last)) {
            assert.equal(judged.verdict, 'gone');
            return;
          }
          const isBusy = each.look === undefined || each.isWanted || each.look.connections > 0;
          const isVanished = everListened && isSilent(each);
          const isDue = !isBusy && !isVanished && nowMs - lastUse(history) >= idleMs;
          assert.equal(judged.verdict, isBusy ? 'busy' : isDue ? 'stop' : 'idle');
        }
      },
    ),
    { numRuns: 2_000 },
  );
});

test('when connections cannot be read then a service is busy, however long it was idle', () => {
  assert.equal(judgeService(FRESH, undefined, false, 1_000_000, 1).verdict, 'busy');
});

test('when a login is said to lie ahead then it counts as now and not as later', () => {
  const seen = { listening: true, connections: 0, lastLoginMs: 9_000_000 };
  const { state } = judgeService(FRESH, seen, false, 5_000, 1_000);
  assert.equal(state.idleSinceMs, 5_000);
});

test('when a service has been idle for just so long then it is stopped, and not a millisecond before', () => {
  const seen = { listening: true, connections: 0 };
  assert.equal(judgeService(FRESH, seen, false, 999, 1_000).verdict, 'idle');
  assert.equal(judgeService(FRESH, seen, false, 1_000, 1_000).verdict, 'stop');
});

test('when somebody else has stopped a service then what was known of it stays known', () => {
  const state = { wasSeen: true, missing: 1, idleSinceMs: 70 };
  const gone = judgeService(state, { listening: false, connections: 0 }, false, 1_000, 1);
  assert.deepEqual(gone, { state: { wasSeen: true, missing: 2, idleSinceMs: 70 }, verdict: 'gone' });
});
