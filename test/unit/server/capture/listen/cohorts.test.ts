import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type ListenPlan,
  NOTHING_SHOWN,
  planListening,
  type Shown,
} from '../../../../../server/capture/listen/cohorts.ts';
import { formatShown, parseShown } from '../../../../../server/capture/listen/shown-file.ts';
import type { LiveSequence } from '../../../../../server/core/matching/live-sequence.ts';
import { pairOf } from '../../../../../shared/knock.ts';
import {
  atFactor,
  cohortWith,
  drawing,
  listenedDoor,
  liveSequence,
  STEP_MS,
} from '../../../../support/core/listening.ts';

const DOOR = listenedDoor();
const S = [2001, 2005, 2009];
const OTHER = [2002, 2006, 2010];
const draw = drawing(7);

function plan(shown: Shown, live: readonly LiveSequence[], wallMs: number, doors = [DOOR]): ListenPlan {
  return planListening(shown, doors, live, wallMs, draw);
}

test('when a sequence becomes live then its ports listen among decoys, and nothing else does', () => {
  const { shown, changed, tcp, udp } = plan(NOTHING_SHOWN, [liveSequence(100, S)], atFactor(99));
  assert.equal(changed, true);
  assert.equal(tcp.length, DOOR.size);
  assert.deepEqual(udp, []);
  for (const port of S) assert.ok(tcp.includes(port));
  for (const port of tcp) assert.ok(DOOR.ports.includes(port), 'a decoy is a port that a knock could go to');
  assert.deepEqual(shown.cohorts[0]?.ports, tcp);
  assert.deepEqual(
    tcp,
    tcp.toSorted((a, b) => a - b),
    'the order says nothing',
  );
});

test('when nothing has changed then nothing is to be kept and the same ports listen', () => {
  const live = [liveSequence(100, S)];
  const first = plan(NOTHING_SHOWN, live, atFactor(99));
  const second = plan(first.shown, live, atFactor(100));
  assert.equal(second.changed, false);
  assert.deepEqual(second.tcp, first.tcp);
});

test('when several clients have a sequence for one step then they share one cohort, whatever their number', () => {
  const many = Array.from({ length: 3 }, (_, at) => liveSequence(100, [2000 + at, 2010 + at, 2020 + at]));
  assert.equal(plan(NOTHING_SHOWN, many, atFactor(99)).tcp.length, DOOR.size);
  const more = Array.from({ length: 6 }, (_, at) => liveSequence(100, [2000 + at, 2010 + at, 2020 + at]));
  assert.equal(plan(NOTHING_SHOWN, more, atFactor(99)).tcp.length, 18, 'they are each others decoys');
});

test('when steps follow each other then each has a cohort of its own', () => {
  const { shown } = plan(NOTHING_SHOWN, [liveSequence(100, S), liveSequence(101, OTHER)], atFactor(99));
  assert.deepEqual(
    shown.cohorts.map(({ factor, ports }) => [factor, ports.length]),
    [
      [100, DOOR.size],
      [101, DOOR.size],
    ],
  );
});

test('when a sequence is used then its ports listen on until its time step would have ended', () => {
  const before = plan(NOTHING_SHOWN, [liveSequence(100, S)], atFactor(99));
  const used = plan(before.shown, [], atFactor(100));
  assert.deepEqual(used.tcp, before.tcp);
  // Window 1: step 101 is its last, and a knock begun in it has seq_timeout left.
  const end = atFactor(102) + DOOR.seqTimeoutMs;
  assert.deepEqual(plan(used.shown, [], end - 1).tcp, before.tcp);
  assert.deepEqual(plan(used.shown, [], end).tcp, []);
});

test('when a slow client still has a sequence after that then the whole cohort goes on with it', () => {
  const live = [liveSequence(100, S)];
  const before = plan(NOTHING_SHOWN, live, atFactor(99));
  assert.deepEqual(plan(before.shown, live, atFactor(104)).tcp, before.tcp);
});

test('when the daemon starts again then what it kept listens again, with the same decoys', () => {
  const before = plan(NOTHING_SHOWN, [liveSequence(100, S)], atFactor(99));
  const loaded = parseShown(formatShown(before.shown));
  assert.ok(loaded !== undefined);
  const again = planListening(loaded, [DOOR], [liveSequence(100, S)], atFactor(100), drawing(99));
  assert.equal(again.changed, false);
  assert.deepEqual(again.tcp, before.tcp);
});

test('when a client is enrolled in the middle of a step then its ports come with decoys of their own', () => {
  const live = [liveSequence(100, S)];
  const before = plan(NOTHING_SHOWN, live, atFactor(99));
  const after = plan(before.shown, [...live, liveSequence(100, OTHER)], atFactor(100));
  assert.equal(after.shown.cohorts.length, 2);
  assert.deepEqual(after.shown.cohorts[0], before.shown.cohorts[0]);
  assert.equal(cohortWith(after.shown.cohorts.slice(1), OTHER)?.ports.length, DOOR.size);
});

test('when a client goes and comes back then it joins the cohort that it was in', () => {
  const before = plan(NOTHING_SHOWN, [liveSequence(100, S)], atFactor(99));
  const gone = plan(before.shown, [], atFactor(99));
  const back = plan(gone.shown, [liveSequence(100, S)], atFactor(99));
  assert.equal(back.changed, false);
  assert.deepEqual(back.tcp, before.tcp);
});

test('when a door has another shape then factors that were shown are shown no more, and later ones are', () => {
  const before = plan(NOTHING_SHOWN, [liveSequence(100, S)], atFactor(99));
  const doors = [listenedDoor({ shape: 'four' })];
  // A longer sequence of the same derivation begins with the same ports.
  const longer = liveSequence(100, [...S, 2030]);
  const after = plan(before.shown, [longer], atFactor(99), doors);
  assert.deepEqual(after.tcp, []);
  assert.equal(after.changed, true);
  const next = plan(after.shown, [longer, liveSequence(101, OTHER)], atFactor(100), doors);
  assert.deepEqual(
    next.shown.cohorts.map(({ factor }) => factor),
    [101],
  );
});

test('when the clock is set back behind what is gone then that is not shown again', () => {
  const before = plan(NOTHING_SHOWN, [liveSequence(100, S)], atFactor(99));
  const later = plan(before.shown, [], before.shown.cohorts[0]?.keptUntil ?? 0);
  assert.deepEqual(later.shown.cohorts, []);
  const back = plan(later.shown, [liveSequence(100, S), liveSequence(99, OTHER)], atFactor(99));
  assert.deepEqual(
    back.shown.cohorts.map(({ factor }) => factor),
    [99],
    'what was never shown may be',
  );
});

test('when a door is taken away then its ports go at once, and are known when it comes back', () => {
  const live = [liveSequence(100, S)];
  const before = plan(NOTHING_SHOWN, live, atFactor(99));
  const without = plan(before.shown, [], atFactor(99), []);
  assert.deepEqual(without.tcp, []);
  assert.deepEqual(plan(without.shown, live, atFactor(100)).tcp, before.tcp);
});

test('when knocks may be of both protocols then every port listens on both', () => {
  const doors = [listenedDoor({ protocols: 'both' })];
  const pairs = [pairOf('tcp', 2001), pairOf('udp', 2002), pairOf('tcp', 2003)];
  const { tcp, udp } = plan(NOTHING_SHOWN, [liveSequence(100, pairs)], atFactor(99), doors);
  assert.deepEqual(tcp, udp);
  assert.equal(tcp.length, DOOR.size);
});

test('when a door has been up for weeks then its past is one span', () => {
  let shown = NOTHING_SHOWN;
  for (let factor = 100; factor < 300; factor += 1) {
    shown = plan(shown, [liveSequence(factor + 1, S)], atFactor(factor)).shown;
  }
  assert.equal(shown.past.get('ssh')?.length, 1);
  assert.ok(shown.cohorts.length <= 4 + 2 * DOOR.window + 4, `${shown.cohorts.length} cohorts are kept`);
});

test('when the clock jumps again and again then the past stays small, and forgets nothing that was shown', () => {
  let shown = NOTHING_SHOWN;
  const factors = Array.from({ length: 100 }, (_, at) => 1000 + at * 50);
  for (const factor of factors) shown = plan(shown, [liveSequence(factor, S)], atFactor(factor)).shown;
  assert.ok((shown.past.get('ssh')?.length ?? 0) <= 32);
  for (const factor of factors.slice(0, -1)) {
    assert.deepEqual(plan(shown, [liveSequence(factor, OTHER)], atFactor(factor)).shown.cohorts.length, 1, `${factor}`);
  }
});

const damaged: readonly [why: string, text: string][] = [
  ['cut off', formatShown(NOTHING_SHOWN).slice(0, 20)],
  ['of another version', '{"version":2,"cohorts":[],"past":[]}'],
  [
    'a port that is none',
    '{"version":1,"cohorts":[{"door":"a","shape":"b","factor":1,"endsAt":1,"keptUntil":1,"ports":[0]}],"past":[]}',
  ],
  [
    'a port twice',
    '{"version":1,"cohorts":[{"door":"a","shape":"b","factor":1,"endsAt":1,"keptUntil":1,"ports":[7,7]}],"past":[]}',
  ],
  ['a span that ends before it begins', '{"version":1,"cohorts":[],"past":[["ssh",[[3,2]]]]}'],
  ['a past that is no list', '{"version":1,"cohorts":[],"past":{}}'],
  ['nothing', ''],
];

for (const [why, text] of damaged) {
  test(`when the memory of what was shown is damaged (${why}) then it is refused`, () => {
    assert.equal(parseShown(text), undefined);
  });
}

test('when it is kept then it comes back whole', () => {
  const { shown } = plan(NOTHING_SHOWN, [liveSequence(100, S)], atFactor(99));
  const past = new Map([['ssh', [[1, 3] as const, [7, 7] as const]]]);
  assert.deepEqual(parseShown(formatShown({ ...shown, past })), { ...shown, past });
  assert.equal(STEP_MS, DOOR.stepMs);
});
