/** The live lines of a door with a file: what was spent stays spent, whatever the file is read to hold. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ListedDoor, ListedLine } from '../../server/core/door.ts';
import { ListedSet } from '../../server/core/listed-set.ts';
import { SequenceIndex } from '../../server/core/sequence-index.ts';

const DOOR: ListedDoor = {
  name: 'ssh',
  mode: 'file',
  lookAhead: 2,
  order: 'strict',
  seqTimeoutMs: 10_000,
  grantMs: 30_000,
  maxStrays: 0,
};
const line = (id: number): ListedLine => ({ id, pairs: [7000 + id, 8000] });

test('when the file is read again before the strike of a used line has reached it then the line stays spent', () => {
  let ids = 0;
  const set = new ListedSet(() => {
    ids += 1;
    return ids;
  });
  set.setDoor(DOOR, new SequenceIndex(), 0);
  set.setLines('ssh', [line(1), line(2), line(3)], 0);
  set.spend('ssh', 2, 1);
  set.setLines('ssh', [line(1), line(2), line(3), line(4)], 2);
  assert.deepEqual(
    [1, 2, 3, 4].map((id) => set.isUnspent('ssh', id)),
    [false, false, true, true],
  );
  assert.equal(set.left('ssh'), 2);
});
