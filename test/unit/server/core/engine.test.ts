import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UNUSED } from '../../../../server/core/door.ts';
import { Engine } from '../../../../server/core/engine.ts';
import { address, doorPolicy, enrolment, pairsFor, SERVER } from '../../../support/core/doors.ts';
import { EngineBench, HERE, kinds, OTHER, SOURCE, STEP_MS } from '../../../support/core/engine-bench.ts';

const ELSEWHERE = address('203.0.113.99');

const door = doorPolicy();
const laptop = enrolment('laptop');
const phone = enrolment('phone');

test('when a client knocks its current sequence then it is admitted once', () => {
  const bench = new EngineBench([door], [laptop, phone]);
  assert.deepEqual(kinds(bench.knock(pairsFor(door, laptop, 1000))), ['admit laptop']);
});

test('when the same packets come again then it is a replay; from another source it is contested', () => {
  const bench = new EngineBench([door], [laptop]);
  const pairs = pairsFor(door, laptop, 1000);
  bench.knock(pairs);
  assert.deepEqual(new Set(kinds(bench.knock(pairs))), new Set(['replay']));
  assert.deepEqual(kinds(bench.knock(pairs, OTHER)), ['rival 198.51.100.9', 'contested']);
});

test('when one sequence completes twice in one batch then only the first is admitted', () => {
  const bench = new EngineBench([door], [laptop]);
  const pairs = pairsFor(door, laptop, 1000);
  const interleaved = pairs.flatMap((pair) => [...bench.packet(pair), ...bench.packet(pair, OTHER)]);
  assert.deepEqual(kinds(interleaved), ['rival 198.51.100.9', 'admit laptop', 'contested']);
});

test('when the packets go to an address that is not ours then nothing happens', () => {
  const bench = new EngineBench([door], [laptop]);
  assert.deepEqual(bench.knock(pairsFor(door, laptop, 1000), SOURCE, ELSEWHERE), []);
});

test('when a door has a target then only packets to it count', () => {
  const routed = doorPolicy({ target: ELSEWHERE });
  const bench = new EngineBench([routed], [laptop]);
  const pairs = pairsFor(routed, laptop, 1000);
  assert.deepEqual(bench.knock(pairs), []);
  assert.deepEqual(kinds(bench.knock(pairs, SOURCE, ELSEWHERE)), ['admit laptop']);
});

test('when the sequence was derived for another server then nothing happens', () => {
  const bench = new EngineBench([door], [laptop]);
  assert.deepEqual(bench.knock(pairsFor(door, laptop, 1000, 'bastion2')), []);
});

test('two clients behind one address do not disturb each other', () => {
  const bench = new EngineBench([door], [laptop, phone]);
  const [first, second] = [pairsFor(door, laptop, 1000), pairsFor(door, phone, 1000)];
  const effects = first.flatMap((pair, at) => [...bench.packet(pair), ...bench.packet(second[at] ?? 0)]);
  assert.deepEqual(kinds(effects).toSorted(), ['admit laptop', 'admit phone']);
});

test('a knock whose packets straddle the step edge is admitted on either side of the window', () => {
  for (const factor of [1000 - 1, 1000, 1001, 1002]) {
    const bench = new EngineBench([door], [laptop]);
    bench.pass(1001 * STEP_MS - bench.wallMs - 4);
    bench.settle();
    const pairs = pairsFor(door, laptop, factor);
    const before = bench.knock(pairs.slice(0, 3));
    bench.pass(20);
    bench.settle();
    assert.deepEqual(kinds([...before, ...bench.knock(pairs.slice(3))]), ['admit laptop'], `factor ${factor}`);
  }
});

test('when the sequences are derived a moment late then the lead has already covered it', () => {
  const bench = new EngineBench([door], [laptop]);
  bench.pass(1002 * STEP_MS - bench.wallMs - 1000);
  bench.settle();
  bench.pass(2000);
  assert.deepEqual(kinds(bench.knock(pairsFor(door, laptop, 1003))), ['admit laptop']);
});

test('hotp: a client ten ahead is admitted and its skipped counters are spent', () => {
  const hotp = doorPolicy({ mode: 'hotp' });
  const bench = new EngineBench([hotp], [laptop]);
  assert.deepEqual(kinds(bench.knock(pairsFor(hotp, laptop, 10))), ['admit laptop']);
  bench.settle();
  bench.pass(11_000);
  assert.deepEqual(bench.knock(pairsFor(hotp, laptop, 9)), []);
  assert.deepEqual(kinds(bench.knock(pairsFor(hotp, laptop, 11))), ['admit laptop']);
});

test('hotp: a client eleven ahead is not heard', () => {
  const hotp = doorPolicy({ mode: 'hotp' });
  const bench = new EngineBench([hotp], [laptop]);
  assert.deepEqual(bench.knock(pairsFor(hotp, laptop, 11)), []);
});

test('when a client is revoked then its sequence is nothing, even half knocked', () => {
  const bench = new EngineBench([door], [laptop, phone]);
  const pairs = pairsFor(door, laptop, 1000);
  bench.knock(pairs.slice(0, 5));
  bench.engine.revoke('ssh', 'laptop');
  assert.deepEqual(bench.knock(pairs.slice(5)), []);
  assert.deepEqual(kinds(bench.knock(pairsFor(door, phone, 1000))), ['admit phone']);
});

test('when a client gets a new secret then the old one is nothing and the new one starts unused', () => {
  const bench = new EngineBench([door], [laptop]);
  bench.knock(pairsFor(door, laptop, 1000));
  const renewed = enrolment('laptop', 'ssh', '2');
  bench.engine.enrol(renewed, UNUSED);
  bench.settle();
  assert.deepEqual(bench.knock(pairsFor(door, laptop, 1001)), []);
  assert.deepEqual(kinds(bench.knock(pairsFor(door, renewed, 1000))), ['admit laptop']);
});

test('when the clock goes back by more than a step then totp is refused until the clock is accepted', () => {
  const bench = new EngineBench([door], [laptop]);
  bench.engine.noteClock(bench.wallMs);
  bench.wallMs -= 10 * STEP_MS;
  bench.settle();
  const pairs = pairsFor(door, laptop, 990);
  assert.deepEqual(kinds(bench.knock(pairs)), ['clock-back']);
  bench.engine.acceptClock(bench.wallMs);
  assert.deepEqual(kinds(bench.knock(pairs)), ['admit laptop']);
});

test('when a door has two scopes at one address then doors of both open', () => {
  const own = doorPolicy();
  const routed = doorPolicy({ name: 'web', target: HERE });
  const webClient = enrolment('laptop', 'web');
  const bench = new EngineBench([own, routed], [laptop, webClient]);
  assert.deepEqual(kinds(bench.knock(pairsFor(own, laptop, 1000))), ['admit laptop']);
  assert.deepEqual(kinds(bench.knock(pairsFor(routed, webClient, 1000))), ['admit laptop']);
});

test('a grant for a present source keeps its first opening and moves its end', () => {
  const bench = new EngineBench([door], [laptop]);
  const [first] = bench.knock(pairsFor(door, laptop, 1000));
  assert.ok(first?.kind === 'admit');
  const grant = bench.engine.granted(first, bench.now);
  bench.settle();
  bench.pass(20_000);
  const [second] = bench.knock(pairsFor(door, laptop, 1001));
  assert.ok(second?.kind === 'admit');
  const extended = bench.engine.granted(second, bench.now);
  assert.equal(extended.openedAt, grant.openedAt);
  assert.equal(extended.endsAtMs, bench.monoMs + door.grantMs);
  assert.equal(bench.engine.grants.all.length, 1);
  assert.deepEqual(bench.engine.grants.due(extended.endsAtMs - 1), []);
  assert.deepEqual(bench.engine.grants.due(extended.endsAtMs), [extended]);
});

test('work is done in pieces of the budget, and nothing is missing at the end', () => {
  const clients = Array.from({ length: 100 }, (_, at) => enrolment(`client${at}`));
  const engine = new Engine(SERVER, [door]);
  for (const client of clients) engine.enrol(client, UNUSED);
  const now = { wallMs: 1000 * STEP_MS + 12_000, monoMs: 0 };
  let turns = 1;
  while (!engine.advance(now, 30)) turns += 1;
  assert.ok(turns >= 10, `${turns} turns`);
  assert.equal(engine.counters.liveSequences, 300);
});
