/** Clients that are revoked and return: spent factors stay spent, even if the store has not recorded them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FactorState, UNUSED } from '../../../../../server/core/door.ts';
import { LiveSet } from '../../../../../server/core/matching/live-set.ts';
import { SequenceIndex } from '../../../../../server/core/matching/sequence-index.ts';
import { doorPolicy, enrolment, SERVER } from '../../../../support/core/doors.ts';

const laptop = enrolment('laptop');
const hotp = doorPolicy({ mode: 'hotp' });

const returns: readonly { what: string; had: FactorState; comesWith: FactorState; has: FactorState }[] = [
  {
    what: 'what the store has not heard of stays spent',
    had: { spent: 7, drift: 1 },
    comesWith: { spent: 6, drift: 0 },
    has: { spent: 7, drift: 1 },
  },
  {
    what: 'the first counter stays spent',
    had: { spent: 0, drift: 0 },
    comesWith: UNUSED,
    has: { spent: 0, drift: 0 },
  },
  {
    what: 'what was spent elsewhere is spent here',
    had: { spent: 7, drift: 1 },
    comesWith: { spent: 9, drift: 0 },
    has: { spent: 9, drift: 0 },
  },
  {
    what: 'where both have spent the same the store knows better',
    had: { spent: 7, drift: 1 },
    comesWith: { spent: 7, drift: 0, lastUse: 5 },
    has: { spent: 7, drift: 0, lastUse: 5 },
  },
];

for (const { what, had, comesWith, has } of returns) {
  test(`when a client is taken away and comes back then ${what}`, () => {
    const set = new LiveSet(SERVER, () => 1);
    set.setDoor(hotp, new SequenceIndex());
    set.enrol(laptop, had);
    set.revoke('ssh', 'laptop');
    set.enrol(laptop, comesWith);
    assert.deepEqual(set.state('ssh', 'laptop', 'laptop'), has);
    set.removeDoor('ssh');
    set.setDoor(hotp, new SequenceIndex());
    set.enrol(laptop, UNUSED);
    assert.deepEqual(set.state('ssh', 'laptop', 'laptop'), has);
    // Another secret has spent nothing, nor has a client whose joined names look the same.
    for (const other of [enrolment('laptop', 'ssh', '2'), { ...laptop, client: 'laptopl', keyId: 'aptop' }]) {
      set.enrol(other, UNUSED);
      assert.deepEqual(set.state('ssh', other.client, other.keyId), UNUSED);
    }
    assert.equal(set.state('ssh', 'laptop', 'laptop'), undefined);
  });
}
