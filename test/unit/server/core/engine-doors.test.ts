/** Doors that change their kind, watch the same packets, or are removed; and the observer's view of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ANY_PACKET,
  isOpening,
  type ListedDoor,
  OPENING_PACKETS,
  TCP_ACK,
  TCP_SYN,
  UNUSED,
} from '../../../../server/core/door.ts';
import { Engine } from '../../../../server/core/engine.ts';
import type { LiveSequence } from '../../../../server/core/matching/live-sequence.ts';
import { DEFAULT_LIMITS } from '../../../../server/core/matching/matcher.ts';
import { REPORTS_PER_MINUTE } from '../../../../server/core/scan-watch.ts';
import { NO_THROTTLE } from '../../../../server/core/throttle.ts';
import { addressKeyOfBytes } from '../../../../shared/address.ts';
import { pairOf } from '../../../../shared/knock.ts';
import { address, doorPolicy, enrolment, pairsFor, SERVER } from '../../../support/core/doors.ts';
import { EngineBench, HERE, kinds, OTHER, SOURCE } from '../../../support/core/engine-bench.ts';

const ELSEWHERE = address('203.0.113.99');
const laptop = enrolment('laptop');
const derived = doorPolicy();
const KNOCKS = [7000, 8000, 9000];
const terms = { order: 'strict', seqTimeoutMs: 10_000, grantMs: 5_000, maxStrays: 0 } as const;
const file: ListedDoor = { ...terms, name: 'ssh', mode: 'file', lookAhead: 1 };
const written: ListedDoor = { ...terms, name: 'old', mode: 'static', lookAhead: 1 };
const LINES = [
  { id: 1, pairs: KNOCKS },
  { id: 2, pairs: [7001, 8001, 9001] },
];

function benchOf(...doors: ConstructorParameters<typeof Engine>[1]): EngineBench {
  const bench = new EngineBench([], [laptop], new Engine(SERVER, doors));
  for (const door of doors) if (door.mode === 'static') bench.engine.setLines(door.name, LINES.slice(0, 1), bench.now);
  return bench;
}

test('when a door changes its kind then its sequences of the other kind are nothing, and its clients with them', () => {
  const bench = benchOf(derived);
  bench.engine.setDoor(file, bench.monoMs);
  bench.engine.setLines('ssh', LINES, bench.now);
  assert.equal(bench.engine.door('ssh'), file);
  assert.deepEqual(bench.engine.enrolments(), []);
  assert.deepEqual(bench.knock(pairsFor(derived, laptop, 1000)), []);
  assert.deepEqual(kinds(bench.knock(KNOCKS)), ['stage 1', 'stage 2', 'stage 3', 'admit ']);
  bench.engine.setDoor(derived, bench.monoMs);
  bench.engine.enrol(laptop, UNUSED);
  bench.settle();
  assert.equal(bench.engine.door('ssh'), derived);
  assert.equal(bench.engine.linesLeft('ssh'), 0);
  assert.deepEqual(bench.knock(LINES[1]?.pairs ?? []), []);
  assert.deepEqual(kinds(bench.knock(pairsFor(derived, laptop, 1000))), ['admit laptop']);
});

test('when a door keeps its kind and changes then it keeps its clients, or its lines', () => {
  const bench = benchOf(derived, { ...file, name: 'lines' });
  bench.engine.setLines('lines', LINES, bench.now);
  bench.engine.setDoor({ ...derived, grantMs: 1 }, bench.monoMs);
  bench.engine.setDoor({ ...file, name: 'lines', grantMs: 1 }, bench.monoMs);
  bench.settle();
  assert.deepEqual(
    bench.engine.enrolments().map(({ enrolment: { client } }) => client),
    ['laptop'],
  );
  assert.equal(bench.engine.linesLeft('lines'), 2);
  assert.equal(bench.engine.door('ssh')?.grantMs, 1);
  assert.deepEqual(kinds(bench.knock(pairsFor(derived, laptop, 1000))), ['admit laptop']);
});

test('a sequence in any order and a line are of different doors: what one packet does at both is told, one after the other', () => {
  const routed: ListedDoor = { ...written, name: 'routed', target: HERE };
  const bench = benchOf(written, routed);
  const effects = bench.knock(KNOCKS).filter(({ kind }) => kind === 'admit');
  assert.deepEqual(
    effects.map((effect) => effect.kind === 'admit' && effect.door),
    ['routed', 'old'],
  );
  assert.equal(bench.engine.counters.eligible, 6);
});

test('when the line spent last is knocked again then no stages are told, and it is a replay', () => {
  const bench = benchOf(file);
  bench.engine.setLines('ssh', LINES, bench.now);
  bench.knock(KNOCKS);
  assert.deepEqual(kinds(bench.knock(KNOCKS)), ['replay']);
  assert.deepEqual(kinds(bench.knock(LINES[1]?.pairs ?? [])), ['stage 1', 'stage 2', 'stage 3', 'admit ']);
});

test('a line can open nothing more when it is spent, or its door has gone', () => {
  const bench = benchOf(file);
  bench.engine.setLines('ssh', LINES, bench.now);
  const of = (factor: number) => ({ door: 'ssh', client: '', keyId: '', factor }) as LiveSequence;
  assert.equal(bench.engine.isSpent(of(1)), false);
  const [admission] = bench.knock(KNOCKS).slice(-1);
  assert.ok(admission?.kind === 'admit');
  assert.deepEqual(
    [1, 2].map((line) => bench.engine.isSpent(of(line))),
    [true, false],
  );
  assert.equal(bench.engine.isEntitled(admission), true);
  bench.engine.removeDoor('ssh');
  assert.equal(bench.engine.isEntitled(admission), false);
  assert.equal(bench.engine.isSpent(of(2)), true);
});

test('when a door has gone before its grant was made then that ends at once', () => {
  const bench = benchOf(derived);
  const [admission] = bench.knock(pairsFor(derived, laptop, 1000));
  assert.ok(admission?.kind === 'admit');
  assert.equal(bench.engine.planGrant(admission, bench.now).endsAtMs, bench.monoMs + derived.grantMs);
  assert.equal(bench.engine.grants.size, 0, 'a plan has no effect');
  bench.engine.removeDoor('ssh');
  assert.equal(bench.engine.planGrant(admission, bench.now).endsAtMs, bench.monoMs);
});

test('an observer is told of every packet whether a door watches its destination, and which doors’ flags it has', () => {
  const routed: ListedDoor = { ...written, name: 'routed', target: ELSEWHERE };
  const bench = benchOf({ ...derived, tcpFlags: ANY_PACKET }, written, routed);
  const reported: string[] = [];
  bench.engine.observe({
    arrived: (isWatched) => reported.push(isWatched ? 'watched' : 'unwatched'),
    taken: () => reported.push('taken'),
    touched: ({ door }) => reported.push(door),
  });
  const send = (pair: number, flags: number, destination = HERE): string[] => {
    reported.length = 0;
    bench.engine.decidePacket(bench.monoMs, SOURCE, destination, pair, flags, destination === HERE, bench.now);
    return [...reported];
  };
  assert.deepEqual(send(7000, TCP_SYN), ['watched', 'taken', 'taken', 'old']);
  assert.deepEqual(send(7000, TCP_SYN | TCP_ACK), ['watched', 'taken'], 'the door that takes any packet');
  assert.deepEqual(send(pairOf('udp', 7000), 0), ['watched', 'taken', 'taken'], 'flags are of no meaning for UDP');
  assert.deepEqual(send(7000, TCP_SYN, ELSEWHERE), ['watched', 'taken', 'routed']);
  assert.deepEqual(send(7000, TCP_SYN, OTHER), ['unwatched']);
  bench.engine.observe(undefined);
  assert.deepEqual(send(7000, TCP_SYN), []);
});

for (const [what, tcpFlags, flags, opens] of [
  ['what opens a connection', OPENING_PACKETS, TCP_SYN, true],
  ['an answer', OPENING_PACKETS, TCP_SYN | TCP_ACK, false],
  ['a packet without the flag', OPENING_PACKETS, 0, false],
  ['all flags that are asked for', { set: TCP_SYN | TCP_ACK, clear: 0 }, TCP_SYN | TCP_ACK, true],
  ['one of the flags that are asked for', { set: TCP_SYN | TCP_ACK, clear: 0 }, TCP_ACK, false],
  ['any packet', ANY_PACKET, 0xff, true],
] as const) {
  test(`when a door is sent ${what} then that ${opens ? 'knocks' : 'does not knock'}`, () => {
    const bench = benchOf({ ...derived, tcpFlags });
    const effects = pairsFor(derived, laptop, 1000).flatMap((pair) =>
      bench.engine.decidePacket(bench.monoMs, SOURCE, HERE, pair, flags, true, bench.now),
    );
    assert.deepEqual(kinds(effects), opens ? ['admit laptop'] : []);
    assert.equal(bench.engine.counters.eligible, opens ? 6 : 0);
  });
}

for (const [rule, opening] of [
  [OPENING_PACKETS, true],
  [{ set: TCP_SYN | 0x20, clear: TCP_ACK | 0x01 }, true],
  [ANY_PACKET, false],
  [{ set: TCP_SYN, clear: 0 }, false],
  [{ set: 0, clear: TCP_ACK }, false],
  [{ set: TCP_ACK, clear: TCP_SYN }, false],
] as const) {
  test(`packets with ${rule.set} and without ${rule.clear} ${opening ? 'all open' : 'need not open'} a connection`, () =>
    assert.equal(isOpening(rule), opening));
}

function scanning(threshold: number, isExempt = () => false): EngineBench {
  const engine = new Engine(SERVER, [derived], DEFAULT_LIMITS, NO_THROTTLE, { threshold, isExempt });
  return new EngineBench([], [laptop], engine);
}

test('when more sources scan than may be reported in a minute then it is told of those that are held back', () => {
  const bench = scanning(2);
  const said = Array.from({ length: REPORTS_PER_MINUTE + 1 }, (_, at) => {
    const source = addressKeyOfBytes(Uint8Array.of(11, 0, 0, at));
    return kinds(bench.knock([81, 82], source));
  }).flat();
  const reported = Array.from({ length: REPORTS_PER_MINUTE }, (_, at) => `scan 11.0.0.${at}`);
  assert.deepEqual(said, [...reported, `scan 11.0.0.${REPORTS_PER_MINUTE}, held back`]);
});

test('when one source is let in then another one is reported all the same', () => {
  const bench = scanning(7);
  const [admission] = bench.knock(pairsFor(derived, laptop, 1000), OTHER);
  assert.ok(admission?.kind === 'admit');
  bench.engine.granted(admission, bench.now);
  assert.equal(bench.engine.grants.hasSource(OTHER), true);
  assert.equal(bench.engine.grants.hasSource(SOURCE), false);
  assert.deepEqual(kinds(bench.knock([81, 82, 83, 84, 85, 86, 87])), ['scan 192.0.2.7']);
});

test('a scan and a knock of one packet are both told, and the window of a scan is that of the slowest door', () => {
  const bench = scanning(6);
  assert.deepEqual(kinds(bench.knock(pairsFor(derived, laptop, 1000))), ['admit laptop', 'scan 192.0.2.7']);
  const slow = scanning(2);
  slow.knock([81]);
  slow.pass(derived.seqTimeoutMs);
  assert.deepEqual(kinds(slow.knock([82])), [], 'a millisecond too late');
  slow.engine.setDoor(doorPolicy({ name: 'slow', seqTimeoutMs: 60_000 }), slow.monoMs);
  slow.pass(59_999);
  assert.deepEqual(kinds(slow.knock([83])), ['scan 192.0.2.7']);
});
