/** Which doors share a matcher (only those that look at the same packets), and when it is removed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DoorPolicy, TCP_ACK, TCP_SYN } from '../../../../server/core/door.ts';
import { LivePairs } from '../../../../server/core/matching/live-pairs.ts';
import { DEFAULT_LIMITS } from '../../../../server/core/matching/matcher.ts';
import { type Scope, Scopes } from '../../../../server/core/scopes.ts';
import { doorPolicy, liveSequence } from '../../../support/core/doors.ts';
import { HERE, OTHER } from '../../../support/core/engine-bench.ts';

const scopesOf = () => new Scopes(DEFAULT_LIMITS, new LivePairs());
const SYN_ACK = { set: TCP_SYN | TCP_ACK, clear: 0 };

const pairs: readonly { what: string; one?: Partial<DoorPolicy>; two?: Partial<DoorPolicy>; share: boolean }[] = [
  { what: 'with nothing said of packets', share: true },
  { what: 'with the same flags, said and meant', one: { tcpFlags: { set: TCP_SYN, clear: TCP_ACK } }, share: true },
  { what: 'with the same target', one: { target: OTHER }, two: { target: OTHER }, share: true },
  { what: 'with other flags to be there', one: { tcpFlags: { set: 0, clear: TCP_ACK } }, share: false },
  { what: 'with other flags to be absent', one: { tcpFlags: { set: TCP_SYN, clear: 0 } }, share: false },
  { what: 'with other flags altogether', one: { tcpFlags: SYN_ACK }, share: false },
  { what: 'with a target and without', one: { target: HERE }, share: false },
  { what: 'with different targets', one: { target: HERE }, two: { target: OTHER }, share: false },
];

for (const { what, one, two, share } of pairs) {
  test(`two doors ${what} ${share ? 'share' : 'do not share'} a matcher`, () => {
    const scopes = scopesOf();
    const first = scopes.enter(doorPolicy({ name: 'one', ...one }));
    const second = scopes.enter(doorPolicy({ name: 'two', ...two }));
    assert.equal(first === second, share);
    assert.equal(first.matcher === second.matcher, share);
    assert.equal(first.index === second.index, share);
    assert.deepEqual(scopes.all, share ? [first] : [first, second]);
    assert.deepEqual([...first.doors], share ? ['one', 'two'] : ['one']);
    assert.deepEqual(first.rule, one?.tcpFlags ?? { set: TCP_SYN, clear: TCP_ACK });
  });
}

test('scopes are found by their target, and those without one are our own', () => {
  const scopes = scopesOf();
  assert.deepEqual([scopes.own(), scopes.at(HERE), scopes.all], [undefined, undefined, []]);
  const own = scopes.enter(doorPolicy({ name: 'one' }));
  const other = scopes.enter(doorPolicy({ name: 'two', target: OTHER }));
  const third = scopes.enter(doorPolicy({ name: 'three', tcpFlags: SYN_ACK }));
  assert.deepEqual(scopes.own(), [own, third]);
  assert.deepEqual(scopes.at(OTHER), [other]);
  assert.equal(scopes.at(HERE), undefined);
});

test('a scope’s matcher has the limits that were given, and what its index holds is told with all live pairs', () => {
  const live = new LivePairs();
  const scopes = new Scopes({ sources: 1, promisingSources: 1, boundSources: 1 }, live);
  const { index, matcher } = scopes.enter(doorPolicy());
  index.add(liveSequence());
  assert.equal(live.has(7001), true);
  for (const source of [HERE, OTHER]) matcher.matchPacket(1, source, 7001);
  assert.equal(matcher.evictedSources, 1);
});

test('when the last door of a scope leaves then the scope is gone, and no earlier, and others stay', () => {
  const scopes = scopesOf();
  const own = scopes.enter(doorPolicy({ name: 'one' }));
  scopes.enter(doorPolicy({ name: 'two' }));
  const flagged = scopes.enter(doorPolicy({ name: 'three', tcpFlags: SYN_ACK }));
  const other = scopes.enter(doorPolicy({ name: 'four', target: OTHER }));
  scopes.leave('one');
  scopes.leave('none');
  assert.deepEqual(scopes.own(), [own, flagged]);
  assert.deepEqual([...own.doors], ['two']);
  scopes.leave('two');
  assert.deepEqual(scopes.own(), [flagged]);
  scopes.leave('three');
  assert.equal(scopes.own(), undefined);
  assert.deepEqual(scopes.all, [other]);
  scopes.leave('four');
  assert.equal(scopes.at(OTHER), undefined);
  assert.notEqual(scopes.enter(doorPolicy({ name: 'one' })), own, 'and a new one begins with nothing');
});

test('when there is an observer then every matcher tells it, also one that comes later, until there is none', () => {
  const scopes = scopesOf();
  const observerOf = ({ matcher }: Scope) => matcher.observer;
  const first = scopes.enter(doorPolicy({ name: 'one' }));
  const observer = { arrived: () => undefined, taken: () => undefined, touched: () => undefined };
  scopes.observe(observer);
  const second = scopes.enter(doorPolicy({ name: 'two', target: OTHER }));
  assert.deepEqual([first, second].map(observerOf), [observer, observer]);
  scopes.observe(undefined);
  assert.deepEqual([first, second].map(observerOf), [undefined, undefined]);
});
