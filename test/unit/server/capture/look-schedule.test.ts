/** When captures check their interfaces: seldom while all is well, soon after an event. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { CALM_MS, LookSchedule, SOON_MS } from '../../../../server/capture/look-schedule.ts';

function world({ mock }: TestContext) {
  mock.timers.enable({ apis: ['setTimeout'] });
  const state = { isWell: true, looked: 0 };
  const looks = new LookSchedule(() => {
    state.looked += 1;
    return state.isWell;
  });
  const after = (ms: number) => {
    mock.timers.tick(ms);
    return state.looked;
  };
  return { state, looks, after };
}

test('when all is well then looks come once a second, the first of them soon', (t) => {
  const { looks, after } = world(t);
  assert.equal(after(CALM_MS), 0, 'not before the start');
  looks.start();
  assert.deepEqual([after(SOON_MS - 1), after(1)], [0, 1]);
  assert.deepEqual([after(CALM_MS - 1), after(1), after(CALM_MS)], [1, 2, 3]);
  looks.stop();
  assert.equal(after(CALM_MS * 3), 3);
});

test('when something is wrong then looks come soon until it is not', (t) => {
  const { state, looks, after } = world(t);
  state.isWell = false;
  looks.start();
  assert.deepEqual([after(SOON_MS), after(SOON_MS), after(SOON_MS)], [1, 2, 3]);
  state.isWell = true;
  assert.deepEqual([after(SOON_MS), after(CALM_MS - 1), after(1)], [4, 4, 5]);
  looks.stop();
});

test('when something happens then the next look comes soon, and what happens all the time puts it off no further', (t) => {
  const { looks, after } = world(t);
  looks.start();
  assert.equal(after(SOON_MS), 1);
  assert.equal(after(CALM_MS - 10), 1);
  looks.checkSoon();
  assert.equal(after(SOON_MS - 1), 1);
  looks.checkSoon();
  assert.equal(after(1), 2);
  looks.stop();
  looks.checkSoon();
  assert.equal(after(CALM_MS * 2), 2, 'nothing hastens what has stopped');
});
