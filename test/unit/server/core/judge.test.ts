/**
 * The judge alone: what is spent for doors of every kind, and that a sequence whose door or client was removed
 * meanwhile opens nothing. The engine's tests cover packets and the matcher.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DoorTerms, type ListedDoor, UNUSED } from '../../../../server/core/door.ts';
import { Judge } from '../../../../server/core/judge.ts';
import { ListedSet } from '../../../../server/core/matching/listed-set.ts';
import type { LiveSequence } from '../../../../server/core/matching/live-sequence.ts';
import { LiveSet } from '../../../../server/core/matching/live-set.ts';
import type { Completion } from '../../../../server/core/matching/matcher.ts';
import { SequenceIndex } from '../../../../server/core/matching/sequence-index.ts';
import { NO_THROTTLE } from '../../../../server/core/throttle.ts';
import { doorPolicy, enrolment, liveSequence, SERVER } from '../../../support/core/doors.ts';
import { OTHER, SOURCE, STEP_MS } from '../../../support/core/engine-bench.ts';

const NOW = { wallMs: 1000 * STEP_MS + 12_000, monoMs: 50_000 };
const PENALTY_MS = 60_000;
const laptop = enrolment('laptop');
const terms: Partial<DoorTerms> = { contested: 'refuse', penaltyMs: PENALTY_MS };
const derived = doorPolicy(terms);
const lines: ListedDoor = { ...doorPolicy(terms), name: 'file', mode: 'file', lookAhead: 2 };
const written: ListedDoor = { ...doorPolicy(terms), name: 'static', mode: 'static', lookAhead: 1 };
const lenient = doorPolicy({ name: 'lenient' });
const ofLaptop = liveSequence({ keyId: laptop.keyId, factor: 1000, contestFrom: 3, penaltyFrom: 2 });
const ofLine = liveSequence({ door: 'file', client: '', keyId: '', factor: 1, contestFrom: 3, penaltyFrom: 2 });
const ofStatic = liveSequence({ door: 'static', client: '', keyId: '', factor: 1, penaltyFrom: 2 });

function judgeOf() {
  const [live, listed] = [new LiveSet(SERVER, () => 1), new ListedSet(() => 1)];
  for (const door of [derived, lenient]) live.setDoor(door, new SequenceIndex());
  live.enrol(laptop, { ...UNUSED, drift: 1, lastUse: 7 });
  live.enrol(enrolment('phone', 'lenient'), UNUSED);
  for (const door of [lines, written]) {
    listed.setDoor(door, new SequenceIndex(), 0);
    const ids = door.mode === 'static' ? [1] : [1, 2, 3];
    listed.setLines(
      door.name,
      ids.map((id) => ({ id, pairs: [7001, 9002, 8003] })),
      0,
    );
  }
  const judge = new Judge({ live, listed, throttle: NO_THROTTLE, isClockTrusted: () => true });
  return { judge, live, listed };
}

function completed(sequence: LiveSequence, source = SOURCE, ago = 0): Completion {
  const atMs = NOW.monoMs - ago;
  return { sequence, source, startedAtMs: atMs - 1000, completedAtMs: atMs, strays: 2 };
}

test('when a line completes then it is spent, and whoever knocks it again repeats it', () => {
  const { judge, listed } = judgeOf();
  const admission = { kind: 'admit', door: 'file', client: '', source: SOURCE, strays: 2 };
  assert.deepEqual(judge.judgeCompletion(completed(ofLine), NOW), { ...admission, spend: { kind: 'line', line: 1 } });
  assert.equal(listed.left('file'), 2);
  const refusal = { kind: 'refuse', door: 'file', client: '', source: SOURCE, reason: 'replay' };
  assert.deepEqual(judge.judgeCompletion(completed(ofLine), NOW), refusal);
});

test('when a static sequence completes then nothing is spent: it opens again, for everybody, and is no contest', () => {
  const { judge } = judgeOf();
  for (const source of [SOURCE, OTHER, SOURCE]) {
    const admission = { kind: 'admit', door: 'static', client: '', source, strays: 2 };
    assert.equal(judge.contend(ofStatic, source, NOW.monoMs, NOW), undefined);
    assert.deepEqual(judge.judgeCompletion(completed(ofStatic, source), NOW), {
      ...admission,
      spend: { kind: 'nothing' },
    });
  }
});

test('when a packet waited before it was judged then its own time is that of the use', () => {
  const { judge } = judgeOf();
  const admission = judge.judgeCompletion(completed(ofLaptop, SOURCE, 4_000), NOW);
  assert.ok(admission.kind === 'admit' && admission.spend.kind === 'factor');
  assert.equal(admission.spend.state.lastUse, NOW.wallMs - 4_000);
});

test('when a packet is stamped later than it is judged then it counts as of now', () => {
  const { judge } = judgeOf();
  const admission = judge.judgeCompletion(completed(ofLaptop, SOURCE, -4_000), NOW);
  assert.ok(admission.kind === 'admit' && admission.spend.kind === 'factor');
  assert.equal(admission.spend.state.lastUse, NOW.wallMs);
});

const contests: readonly { what: string; sequence: LiveSequence; spend: object }[] = [
  {
    what: 'a factor is spent as it stands, and teaches no drift and no use',
    sequence: ofLaptop,
    spend: { kind: 'factor', keyId: 'laptop', factor: 1000, state: { spent: 1000, drift: 1, lastUse: 7 } },
  },
  { what: 'a line is spent', sequence: ofLine, spend: { kind: 'line', line: 1 } },
];

for (const { what, sequence, spend } of contests) {
  test(`refuse: when a second source shows a sequence then it opens for nobody: ${what}`, () => {
    const { judge, live, listed } = judgeOf();
    const { door, client } = sequence;
    assert.equal(judge.contend(sequence, SOURCE, NOW.monoMs, NOW), undefined);
    const contested = { kind: 'contested', door, client, source: OTHER, other: SOURCE };
    assert.deepEqual(judge.contend(sequence, OTHER, NOW.monoMs, NOW), { ...contested, spend });
    if (sequence === ofLine) assert.equal(listed.left('file'), 2);
    else assert.equal(live.state('ssh', 'laptop', 'laptop')?.spent, 1000);
    const refusal = { kind: 'refuse', door, client, reason: 'contested' };
    assert.deepEqual(judge.judgeCompletion(completed(sequence), NOW), { ...refusal, source: SOURCE, other: OTHER });
    assert.deepEqual(judge.judgeCompletion(completed(sequence, OTHER), NOW), {
      ...refusal,
      source: OTHER,
      other: SOURCE,
    });
  });
}

test('a sequence that nobody can own is never contested, however many sources show it', () => {
  const { judge } = judgeOf();
  const { contestFrom: _, ...shared } = ofLaptop;
  for (const source of [SOURCE, OTHER]) assert.equal(judge.contend(shared, source, NOW.monoMs, NOW), undefined);
  assert.equal(judge.judgeCompletion(completed(shared), NOW).kind, 'admit');
});

const wrongs: readonly { what: string; sequence: LiveSequence; ignored: boolean }[] = [
  { what: 'a factor that is not spent', sequence: ofLaptop, ignored: true },
  { what: 'a line that is not spent', sequence: ofLine, ignored: true },
  { what: 'a line further ahead', sequence: { ...ofLine, factor: 2 }, ignored: true },
  { what: 'a static sequence', sequence: ofStatic, ignored: true },
  { what: 'a line that nobody looks for yet', sequence: { ...ofLine, factor: 3 }, ignored: false },
  { what: 'a line that is not in the file', sequence: { ...ofLine, factor: 99 }, ignored: false },
  { what: 'a client who is not enrolled', sequence: { ...ofLaptop, client: 'phone' }, ignored: false },
  { what: 'a secret that was replaced', sequence: { ...ofLaptop, keyId: 'laptop1' }, ignored: false },
  {
    what: 'a door that gives no penalties',
    sequence: { ...ofLaptop, door: 'lenient', client: 'phone', keyId: 'phone' },
    ignored: false,
  },
  { what: 'a door that has gone', sequence: { ...ofLaptop, door: 'web' }, ignored: false },
];

for (const { what, sequence, ignored } of wrongs) {
  test(`a wrong combination (${what}) is ${ignored ? '' : 'not '}punished`, () => {
    const { judge } = judgeOf();
    const said = judge.penalize(sequence, SOURCE, NOW.monoMs);
    const { door } = sequence;
    assert.deepEqual(said, ignored ? { kind: 'ignored', door, source: SOURCE, forMs: PENALTY_MS } : undefined);
  });
}

test('a wrong combination of what is spent is not punished, at a door with a file neither', () => {
  const { judge, live, listed } = judgeOf();
  live.markSpent('ssh', 'laptop', { spent: 1000, drift: 0 });
  listed.markSpent('file', 1, 0);
  for (const sequence of [ofLaptop, ofLine, { ...ofLaptop, factor: 999 }])
    assert.equal(judge.penalize(sequence, SOURCE, NOW.monoMs), undefined);
  assert.equal(judge.penalize({ ...ofLaptop, factor: 1001 }, SOURCE, NOW.monoMs)?.kind, 'ignored');
});

test('when the source of a line is ignored then the line is spent for nothing', () => {
  const { judge, listed } = judgeOf();
  judge.penalize(ofLine, SOURCE, NOW.monoMs - 1000);
  const refusal = { kind: 'refuse', door: 'file', client: '', source: SOURCE, reason: 'penalty' };
  assert.deepEqual(judge.judgeCompletion(completed(ofLine), NOW), { ...refusal, spend: { kind: 'line', line: 1 } });
  assert.equal(listed.left('file'), 2);
});

const gone: readonly { what: string; door: string; client: string; keyId: string }[] = [
  { what: 'a door that has gone', door: 'web', client: 'laptop', keyId: 'laptop' },
  { what: 'a client who is not enrolled there', door: 'lenient', client: 'laptop', keyId: 'laptop' },
  { what: 'a secret that was replaced', door: 'ssh', client: 'laptop', keyId: 'laptop1' },
];

for (const { what, door, client, keyId } of gone) {
  test(`when a sequence completes of ${what} then nothing opens and nothing is spent`, () => {
    const { judge, live } = judgeOf();
    const sequence = { ...ofLaptop, door, client, keyId };
    const refusal = { kind: 'refuse', door, client, source: SOURCE, reason: 'outside-window' };
    assert.deepEqual(judge.judgeCompletion(completed(sequence), NOW), refusal);
    assert.equal(judge.contend(sequence, SOURCE, NOW.monoMs, NOW), undefined);
    const contested = { kind: 'contested', door, client, source: OTHER, other: SOURCE };
    assert.deepEqual(judge.contend(sequence, OTHER, NOW.monoMs, NOW), contested);
    assert.equal(live.state('ssh', 'laptop', 'laptop')?.spent, -1);
  });
}
