/** The live lines of a door with a file: spent lines stay spent, whatever the file holds when it is read again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ListedDoor, ListedLine } from '../../../../../server/core/door.ts';
import { ListedSet } from '../../../../../server/core/matching/listed-set.ts';
import { LivePairs } from '../../../../../server/core/matching/live-pairs.ts';
import type { LiveSequence } from '../../../../../server/core/matching/live-sequence.ts';
import { SequenceIndex } from '../../../../../server/core/matching/sequence-index.ts';
import { writtenStrayBudget } from '../../../../../shared/written-odds.ts';

const DOOR: ListedDoor = {
  name: 'ssh',
  mode: 'file',
  lookAhead: 2,
  order: 'strict',
  seqTimeoutMs: 10_000,
  grantMs: 30_000,
  maxStrays: 0,
};
const STATIC: ListedDoor = { ...DOOR, mode: 'static', lookAhead: 1 };
const line = (id: number): ListedLine => ({ id, pairs: [7000 + id, 8000] });
const lines = (...ids: number[]): readonly ListedLine[] => ids.map(line);

/** A set with one door, and the content of its index. */
class World {
  readonly pairs = new LivePairs();
  readonly index = new SequenceIndex(this.pairs);
  /** Sequences that were made, ever. */
  made = 0;
  readonly set = new ListedSet(() => {
    this.made += 1;
    return this.made;
  });

  constructor(door: ListedDoor = DOOR, unspent: readonly ListedLine[] = lines(1, 2, 3, 4)) {
    this.set.setDoor(door, this.index, 0);
    this.set.setLines(door.name, unspent, 0);
  }

  get sequences(): readonly LiveSequence[] {
    return [...this.pairs.sequences].sort((a, b) => a.factor - b.factor);
  }

  /** Lines that are in the index: the unspent live ones, and a replay of the one spent last. */
  get inIndex(): readonly number[] {
    return this.sequences.map(({ factor }) => factor);
  }

  unspent(...ids: number[]): readonly boolean[] {
    return ids.map((id) => this.set.isUnspent('ssh', id));
  }
}

test('when the file is read again before the strike of a used line has reached it then the line stays spent', () => {
  const world = new World();
  const { set } = world;
  set.setLines('ssh', lines(1, 2, 3), 0);
  set.markSpent('ssh', 2, 1);
  set.setLines('ssh', lines(1, 2, 3, 4), 2);
  assert.deepEqual(
    [1, 2, 3, 4].map((id) => set.isUnspent('ssh', id)),
    [false, false, true, true],
  );
  assert.equal(set.left('ssh'), 2);
  assert.deepEqual([...world.pairs.sequences].map(({ factor }) => factor).toSorted(), [2, 3, 4]);
});

test('as many lines are live as are looked ahead for, and the one spent last stays in the index for its replays', () => {
  const world = new World();
  assert.deepEqual(world.inIndex, [1, 2]);
  world.set.markSpent('ssh', 1, 5);
  assert.deepEqual(world.inIndex, [1, 2, 3]);
  assert.deepEqual(world.unspent(1, 2, 3, 4), [false, true, true, false]);
  world.set.markSpent('ssh', 3, 6);
  assert.deepEqual(world.inIndex, [3, 4], 'the one before it is spent with it, and gone');
  assert.equal(world.set.left('ssh'), 1);
  assert.equal(world.made, 4, 'a line that stays live is not made again');
  assert.deepEqual(
    world.sequences.map(({ enteredAtMs }) => enteredAtMs),
    [5, 6],
  );
});

test('when a line is spent that is not there, or at no door, then nothing changes', () => {
  const world = new World();
  world.set.markSpent('ssh', 1, 1);
  world.set.markSpent('ssh', 99, 1);
  world.set.markSpent('web', 1, 1);
  world.set.setLines('web', lines(1), 1);
  world.set.removeDoor('web');
  assert.deepEqual(world.inIndex, [1, 2, 3]);
  assert.deepEqual([world.set.left('ssh'), world.set.left('web')], [3, 0]);
  assert.equal(world.set.isUnspent('web', 1), false);
  assert.equal(world.set.door('web'), undefined);
});

test('when lines are added, struck or changed then those that stay as they were keep their progress', () => {
  const world = new World(DOOR, lines(1, 2));
  const kept = world.sequences[1];
  world.set.setLines('ssh', lines(2, 3), 9);
  assert.deepEqual(world.inIndex, [2, 3]);
  assert.equal(world.sequences[0], kept);
  const changes: readonly (readonly [what: string, pairs: readonly number[]])[] = [
    ['its first knock', [7777, 8000]],
    ['its last knock', [7002, 8888]],
    ['one knock more', [7002, 8000, 9000]],
    ['one knock fewer', [7002]],
  ];
  for (const [what, pairs] of changes) {
    world.set.setLines('ssh', [{ id: 2, pairs }], 10);
    assert.deepEqual(
      world.sequences.map((sequence) => [sequence.pairs, sequence.enteredAtMs]),
      [[pairs, 10]],
      what,
    );
    world.set.setLines('ssh', lines(2), 9);
  }
  world.set.setLines('ssh', [], 11);
  assert.deepEqual(world.inIndex, []);
  assert.equal(world.set.left('ssh'), 0);
});

test('a static sequence is never spent', () => {
  const world = new World(STATIC, lines(1));
  world.set.markSpent('ssh', 1, 5);
  assert.deepEqual(world.unspent(1), [true]);
  assert.deepEqual(world.inIndex, [1]);
  assert.equal(world.set.left('ssh'), 1);
});

test('when a door changes then its lines are made anew for its new index, and used ones stay used', () => {
  const world = new World();
  world.set.markSpent('ssh', 1, 1);
  const [pairs, door] = [new LivePairs(), { ...DOOR, lookAhead: 3 }];
  world.set.setDoor(door, new SequenceIndex(pairs), 7);
  assert.deepEqual(world.inIndex, [], 'the one spent last has gone too');
  assert.deepEqual(
    [...pairs.sequences].map(({ factor, enteredAtMs }) => [factor, enteredAtMs]),
    [
      [2, 7],
      [3, 7],
      [4, 7],
    ],
  );
  assert.equal(world.set.door('ssh'), door);
  world.set.setLines('ssh', lines(1, 2), 8);
  assert.deepEqual(world.unspent(1, 2), [false, true]);
});

test('when a door is taken away then nothing of it is left, and when it comes back used lines stay used', () => {
  const world = new World();
  world.set.markSpent('ssh', 2, 1);
  world.set.removeDoor('ssh');
  assert.deepEqual(world.inIndex, []);
  assert.equal(world.set.left('ssh'), 0);
  world.set.setDoor(DOOR, world.index, 2);
  assert.deepEqual(world.inIndex, [], 'its lines are to be read again');
  world.set.setLines('ssh', lines(1, 2, 3, 4), 3);
  assert.deepEqual(world.inIndex, [3, 4]);
});

test('a line is a sequence of its door, with no more strays than its odds allow, and tells its stages', () => {
  const pairs = [7001, 8002, 9003, 1004];
  const budget = writtenStrayBudget(pairs, 2);
  assert.ok(budget > 1, 'the rows below say nothing otherwise');
  for (const [maxStrays, strays] of [
    [budget - 1, budget - 1],
    [budget + 1, budget],
  ] as const) {
    const world = new World({ ...DOOR, maxStrays }, []);
    world.set.setLines('ssh', [{ id: 5, pairs }], 77);
    const said = { id: 1, door: 'ssh', client: '', keyId: '', factor: 5, pairs, order: 'strict', seqTimeoutMs: 10_000 };
    const expected = { ...said, maxStrays: strays, enteredAtMs: 77, reportsStages: true, contestFrom: 3 };
    assert.deepEqual([...world.pairs.sequences], [expected]);
  }
});

test('a static sequence is nobody’s own, and can go wrong where its door gives penalties', () => {
  const [shared] = new World(STATIC, lines(1)).sequences;
  assert.ok(shared !== undefined);
  assert.equal('contestFrom' in shared, false);
  assert.equal('penaltyFrom' in shared, false);
  const [penal] = new World({ ...STATIC, penaltyMs: 1 }, [{ id: 1, pairs: [1, 2, 3, 4, 5, 6] }]).sequences;
  assert.equal(penal?.penaltyFrom, 3);
});
