/** Which factors of which clients are live when; the index holds these and no others. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DoorPolicy, type Enrolment, type FactorState, UNUSED } from '../../../../../server/core/door.ts';
import { LivePairs } from '../../../../../server/core/matching/live-pairs.ts';
import type { LiveSequence } from '../../../../../server/core/matching/live-sequence.ts';
import { LiveSet } from '../../../../../server/core/matching/live-set.ts';
import { SequenceIndex } from '../../../../../server/core/matching/sequence-index.ts';
import { addressBytes } from '../../../../../shared/address.ts';
import { deriveAttempt } from '../../../../../shared/derive.ts';
import { pairOf } from '../../../../../shared/knock.ts';
import { doorPolicy, enrolment, pairsFor, SERVER } from '../../../../support/core/doors.ts';
import { OTHER, SOURCE, STEP_MS } from '../../../../support/core/engine-bench.ts';

const STEP = 1000 * STEP_MS;
const MIDST = STEP + 15_000;
const laptop = enrolment('laptop');
const phone = enrolment('phone');
const totp = doorPolicy();
const hotp = doorPolicy({ mode: 'hotp', lookAhead: 2 });

/** A live set, and the content of its index. */
class World {
  readonly pairs = new LivePairs();
  readonly index = new SequenceIndex(this.pairs);
  /** How many sequences were derived, ever. */
  derived = 0;
  readonly set = new LiveSet(SERVER, () => {
    this.derived += 1;
    return this.derived;
  });

  constructor(policy: DoorPolicy, clients: readonly Enrolment[] = [laptop], state: FactorState = UNUSED) {
    this.set.setDoor(policy, this.index);
    for (const client of clients) this.set.enrol(client, state);
  }

  /** Derives all that is due. */
  settle(wallMs = MIDST, monoMs = 0): this {
    assert.equal(this.set.advance(wallMs, monoMs, 1000), true);
    return this;
  }

  get sequences(): readonly LiveSequence[] {
    return [...this.pairs.sequences].sort((a, b) => a.factor - b.factor);
  }

  get factors(): readonly number[] {
    return this.sequences.map(({ factor }) => factor);
  }
}

const moments: readonly { what: string; policy?: Partial<DoorPolicy>; wallMs: number; live: readonly number[] }[] = [
  { what: 'in the midst of a step: one either way', wallMs: MIDST, live: [999, 1000, 1001] },
  { what: 'while a knock may be on its way from the step before', wallMs: STEP + 9_999, live: [998, 999, 1000, 1001] },
  { what: 'when no knock can be on its way any more', wallMs: STEP + 10_000, live: [999, 1000, 1001] },
  { what: 'a moment before a knock that begins now may end later', wallMs: STEP + 19_999, live: [999, 1000, 1001] },
  {
    what: 'when a knock that begins now may end in the next step',
    wallMs: STEP + 20_000,
    live: [999, 1000, 1001, 1002],
  },
  {
    what: 'two seconds and more before a step where knocks are short',
    policy: { seqTimeoutMs: 1_000 },
    wallMs: STEP + 27_999,
    live: [999, 1000, 1001],
  },
  {
    what: 'two seconds before a step, also where knocks are short',
    policy: { seqTimeoutMs: 1_000 },
    wallMs: STEP + 28_000,
    live: [999, 1000, 1001, 1002],
  },
  { what: 'at the beginning of all time', wallMs: 5_000, live: [0, 1] },
  { what: 'without a window', policy: { window: 0 }, wallMs: MIDST, live: [1000] },
];

for (const { what, policy, wallMs, live } of moments) {
  test(`live are ${live.join(', ')} ${what}`, () => {
    const world = new World(doorPolicy(policy)).settle(wallMs);
    assert.deepEqual(world.factors, live);
    // The next step replaces this one.
    world.settle(wallMs + 10 * STEP_MS);
    assert.deepEqual(
      world.factors.filter((factor) => live.includes(factor)),
      [],
    );
  });
}

test('a sequence is what its client knocks, and says what its door says', () => {
  const policy = doorPolicy({ order: 'strict', maxStrays: 7, seqTimeoutMs: 3_000, penaltyMs: 1 });
  const [, sequence] = new World(policy).settle(MIDST, 77).sequences;
  const said = { door: 'ssh', client: 'laptop', keyId: 'laptop', factor: 1000, enteredAtMs: 77, order: 'strict' };
  const limits = { maxStrays: 7, seqTimeoutMs: 3_000, contestFrom: 4, penaltyFrom: 3 };
  assert.deepEqual(sequence, {
    id: sequence?.id,
    ...said,
    ...limits,
    secondPart: undefined,
    pairs: pairsFor(policy, laptop, 1000),
  });
});

test('a door that binds has first parts, which nobody contests, and second parts by address', () => {
  const policy = doorPolicy({ mode: 'hotp', bindsSource: true, maxStrays: 7 });
  const [first] = new World(policy).settle().sequences;
  assert.ok(first?.secondPart !== undefined);
  assert.equal(first.contestFrom, undefined);
  assert.equal(first.penaltyFrom, undefined);
  assert.equal(first.maxStrays, 6 + 7);
  for (const source of [SOURCE, OTHER]) {
    const identity = { server: SERVER, door: 'ssh', client: 'laptop', mode: 'hotp' } as const;
    const attempt = deriveAttempt(laptop.key, identity, 0, policy.shape, addressBytes(source));
    const pairs = attempt.map(({ protocol, port }) => pairOf(protocol, port));
    assert.deepEqual([...first.pairs, ...first.secondPart(source)], pairs);
  }
});

test('when a counter is spent then it alone stays of those before, so that a replay is seen, and as many follow', () => {
  const world = new World(hotp).settle();
  assert.deepEqual(world.factors, [0, 1, 2]);
  world.set.markSpent('ssh', 'laptop', { spent: 1, drift: 0 });
  assert.deepEqual(world.factors, [1, 2], 'at once');
  world.settle();
  assert.deepEqual(world.factors, [1, 2, 3, 4]);
  assert.equal(world.derived, 5, 'what was there was not derived again');
  world.set.markSpent('ssh', 'laptop', { spent: 2, drift: 0 });
  world.settle();
  assert.deepEqual(world.factors, [2, 3, 4, 5]);
});

test('when a step is spent then it stays for its replays as long as the step after it may open', () => {
  const world = new World(totp).settle();
  world.set.markSpent('ssh', 'laptop', { spent: 1000, drift: 0 });
  assert.deepEqual(world.settle().factors, [1000, 1001]);
  assert.deepEqual(world.settle(MIDST + 2 * STEP_MS).factors, [1000, 1001, 1002, 1003]);
  assert.deepEqual(world.settle(MIDST + 3 * STEP_MS).factors, [1002, 1003, 1004]);
});

test('work is done in pieces: as many clients as bring it to the budget, and what is done is not done again', () => {
  const world = new World(totp, []).settle();
  for (const client of [laptop, phone, enrolment('tablet')]) world.set.enrol(client, UNUSED);
  assert.equal(world.set.advance(MIDST, 0, 4), false);
  assert.equal(world.derived, 6, 'one client’s more than the budget');
  assert.equal(world.set.advance(MIDST, 0, 3), true, 'the last one');
  assert.equal(world.derived, 9);
  assert.equal(world.set.advance(MIDST, 0, 3), true);
  assert.equal(world.derived, 9);
  assert.equal(world.set.advance(MIDST + STEP_MS, 0, 0), false, 'the next step is due for all of them');
  assert.equal(world.derived, 9, 'and nothing is done for nothing');
  world.settle(MIDST + STEP_MS);
  assert.equal(world.derived, 12);
});

test('when a step leaves the range then the others stay the sequences that they were', () => {
  const world = new World(totp).settle(STEP + 9_999);
  const before = world.sequences;
  assert.deepEqual(world.settle(STEP + 10_000).sequences, before.slice(1));
  assert.equal(world.derived, 4);
});

test('when a client is revoked or replaced before its sequences were derived then they never are', () => {
  const world = new World(totp, [laptop, phone]);
  world.set.revoke('ssh', 'phone');
  const renewed = enrolment('laptop', 'ssh', '2');
  world.set.enrol(renewed, UNUSED);
  world.settle();
  assert.deepEqual(new Set(world.sequences.map(({ keyId }) => keyId)), new Set([renewed.keyId]));
  assert.equal(world.derived, 3);
});

test('when a client is revoked or its door removed then its sequences are gone at once, and others’ are not', () => {
  const world = new World(totp, [laptop, phone]).settle();
  world.set.revoke('ssh', 'phone');
  assert.deepEqual(new Set(world.sequences.map(({ client }) => client)), new Set(['laptop']));
  assert.deepEqual(world.set.enrolments(), [{ ...world.set.enrolments()[0], enrolment: laptop, state: UNUSED }]);
  world.set.removeDoor('ssh');
  assert.equal(world.index.size, 0);
  assert.deepEqual(world.set.enrolments(), []);
  assert.equal(world.set.door('ssh'), undefined);
});

test('when a door changes then its sequences are derived anew, into its new index, and its clients stay as they were', () => {
  const world = new World(hotp).settle();
  world.set.setDoor(hotp, world.index);
  assert.equal(world.index.size, 0);
  world.settle().set.markSpent('ssh', 'laptop', { spent: 4, drift: 0 });
  world.settle();
  const [other, seen] = [new LivePairs(), world.derived];
  world.set.setDoor({ ...hotp, order: 'strict' }, new SequenceIndex(other));
  assert.equal(world.index.size, 0);
  world.settle(MIDST, 99);
  assert.equal(world.index.size, 0);
  assert.deepEqual(
    [...other.sequences].map(({ factor, order, enteredAtMs }) => [factor, order, enteredAtMs]),
    [
      [5, 'strict', 99],
      [6, 'strict', 99],
      [7, 'strict', 99],
    ],
  );
  assert.equal(world.derived, seen + 3);
  assert.equal(world.set.state('ssh', 'laptop', 'laptop')?.spent, 4);
});

test('what is said of a door or of a client that is not there does nothing', () => {
  const world = new World(totp).settle();
  world.set.enrol(enrolment('phone', 'web'), UNUSED);
  world.set.revoke('web', 'laptop');
  world.set.revoke('ssh', 'phone');
  world.set.markSpent('web', 'laptop', { spent: 2000, drift: 0 });
  world.set.markSpent('ssh', 'phone', { spent: 2000, drift: 0 });
  world.set.removeDoor('web');
  world.settle();
  assert.deepEqual(world.factors, [999, 1000, 1001]);
  assert.equal(world.set.state('ssh', 'phone', 'phone'), undefined);
  assert.equal(world.set.state('web', 'laptop', 'laptop'), undefined);
});
