/** Scans: which packets make one, how often a source is reported, and which sources never are. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isInNetwork, parseNetwork } from '../../../../server/config/networks.ts';
import { TCP_ACK, TCP_SYN } from '../../../../server/core/door.ts';
import { Engine } from '../../../../server/core/engine.ts';
import { DEFAULT_LIMITS } from '../../../../server/core/matching/matcher.ts';
import { MAX_WATCHED, QUIET_MS, REPORTS_PER_MINUTE, ScanWatch } from '../../../../server/core/scan-watch.ts';
import { NO_THROTTLE } from '../../../../server/core/throttle.ts';
import { type AddressKey, addressKeyOfBytes } from '../../../../shared/address.ts';
import { pairOf } from '../../../../shared/knock.ts';
import { address, doorPolicy, enrolment, pairsFor, SERVER } from '../../../support/core/doors.ts';
import { EngineBench, HERE, kinds, OTHER, SOURCE } from '../../../support/core/engine-bench.ts';

const THRESHOLD = 20;
const WINDOW_MS = 10_000;
const door = doorPolicy();
const laptop = enrolment('laptop');

function watch(isExempt: (source: AddressKey) => boolean = () => false): ScanWatch {
  return new ScanWatch({ threshold: THRESHOLD, isExempt });
}

function sourceOf(number: number): AddressKey {
  return addressKeyOfBytes(Uint8Array.of(11, (number >> 16) & 255, (number >> 8) & 255, number & 255));
}

/** The results for a number of distinct ports at one moment. */
function sweep(scans: ScanWatch, source: AddressKey, atMs: number, ports = THRESHOLD): string[] {
  return Array.from({ length: ports }, (_, port) => scans.countPort(atMs, source, port, WINDOW_MS)).flatMap(
    (said) => said ?? [],
  );
}

test('when a source has tried the threshold of ports then it is reported, once in ten minutes', () => {
  const scans = watch();
  assert.deepEqual(sweep(scans, SOURCE, 0, THRESHOLD - 1), []);
  assert.equal(scans.countPort(1, SOURCE, 9999, WINDOW_MS), 'report');
  assert.deepEqual(sweep(scans, SOURCE, 2, 5000), []);
  assert.deepEqual(sweep(scans, SOURCE, QUIET_MS, 5000), []);
  assert.deepEqual(sweep(scans, SOURCE, QUIET_MS + 1, 5000), ['report']);
});

test('when the ports are few, or lie further apart than the window, then there is no scan', () => {
  const scans = watch();
  for (let i = 0; i < 10_000; i += 1)
    assert.equal(scans.countPort(i, SOURCE, i % (THRESHOLD - 1), WINDOW_MS), undefined);
  for (let i = 0; i < 1_000; i += 1) assert.equal(scans.countPort(20_000 + i * 600, SOURCE, i, WINDOW_MS), undefined);
});

test('when more sources scan than may be reported in a minute then they are held back, and reported as they go on', () => {
  const scans = watch();
  const first = Array.from({ length: REPORTS_PER_MINUTE + 5 }, (_, i) => sweep(scans, sourceOf(i), 0)).flat();
  assert.deepEqual(first, [...Array(REPORTS_PER_MINUTE).fill('report'), ...Array(5).fill('many')]);
  assert.deepEqual(sweep(scans, sourceOf(REPORTS_PER_MINUTE), 60_000), ['report']);
  assert.deepEqual(sweep(scans, sourceOf(0), 60_000), []);
});

test('when a source is exempt then it is asked for once in so many ports and never reported', () => {
  let asked = 0;
  const scans = watch(() => {
    asked += 1;
    return true;
  });
  assert.deepEqual(sweep(scans, SOURCE, 0, 1000), []);
  assert.equal(asked, 1000 / THRESHOLD);
});

test('beyond its room the table forgets who has been silent for longest, and keeps the newest', () => {
  const scans = watch();
  // One port below the threshold.
  const nearly = (number: number) => sweep(scans, sourceOf(number), 0, THRESHOLD - 1);
  const last = (number: number) => scans.countPort(1, sourceOf(number), 9999, WINDOW_MS);
  for (const number of [0, 1, 2]) nearly(number);
  for (let number = 3; number < MAX_WATCHED; number += 1) scans.countPort(0, sourceOf(number), 1, WINDOW_MS);
  assert.equal(scans.size, MAX_WATCHED, 'so many have room');
  // A source that sends again was not silent.
  scans.countPort(0, sourceOf(0), 1, WINDOW_MS);
  nearly(MAX_WATCHED);
  assert.equal(scans.size, MAX_WATCHED);
  assert.deepEqual([0, 2, MAX_WATCHED].map(last), ['report', 'report', 'report']);
  assert.equal(last(1), undefined, 'it starts again');
});

test('a flood of sources fills the table to its limit and no further, and a scanner among them is found', () => {
  const scans = watch();
  const said: string[] = [];
  for (let i = 0; i < 20_000; i += 1) {
    scans.countPort(i / 100, sourceOf(i), i & 1023, WINDOW_MS);
    if (i % 1000 === 0)
      said.push(...[scans.countPort(i / 100, SOURCE, i / 1000, WINDOW_MS)].flatMap((each) => each ?? []));
  }
  assert.equal(scans.size, MAX_WATCHED);
  assert.deepEqual(said, ['report']);
});

function scanned(isExempt: (source: AddressKey) => boolean = () => false): EngineBench {
  const engine = new Engine(SERVER, [door], DEFAULT_LIMITS, NO_THROTTLE, { threshold: THRESHOLD, isExempt });
  return new EngineBench([], [laptop], engine);
}

const tcpPorts = Array.from({ length: 500 }, (_, at) => 1 + at);

test('when an engine is swept then it says so once, and not of a source that has been let in', () => {
  const bench = scanned();
  assert.deepEqual(kinds(bench.knock(tcpPorts)), ['scan 192.0.2.7']);
  const [admission] = bench.knock(pairsFor(door, laptop, 1000), OTHER);
  assert.equal(admission?.kind, 'admit');
  bench.engine.granted(admission, bench.now);
  assert.deepEqual(kinds(bench.knock(tcpPorts, OTHER)), []);
  bench.engine.grants.remove('ssh', OTHER);
  assert.deepEqual(kinds(bench.knock(tcpPorts, OTHER)), ['scan 198.51.100.9']);
});

test('answers to our own connections, UDP and packets to others are no scan', () => {
  const bench = scanned();
  const send = (pair: number, flags: number, destination = HERE) => {
    bench.pass(1);
    return bench.engine.decidePacket(bench.monoMs, SOURCE, destination, pair, flags, destination === HERE, bench.now);
  };
  for (const port of tcpPorts) {
    assert.deepEqual(send(port, TCP_SYN | TCP_ACK), []);
    assert.deepEqual(send(port, TCP_ACK), []);
    assert.deepEqual(send(pairOf('udp', port), 0), []);
    assert.deepEqual(send(port, TCP_SYN, address('203.0.113.77')), []);
  }
});

const networks: readonly [network: string, address: string, isIn: boolean][] = [
  ['192.0.2.7', '192.0.2.7', true],
  ['192.0.2.7', '192.0.2.8', false],
  ['192.0.2.99/24', '192.0.2.8', true],
  ['192.0.2.0/24', '192.0.3.8', false],
  ['0.0.0.0/0', '203.0.113.1', true],
  ['0.0.0.0/0', '2001:db8::1', false],
  ['::/0', '2001:db8::1', true],
  ['::/0', '192.0.2.7', false],
  ['2001:db8::/33', '2001:db8:7fff::1', true],
  ['2001:db8::/33', '2001:db8:8000::1', false],
];

for (const [network, source, isIn] of networks) {
  test(`${source} is ${isIn ? '' : 'not '}in ${network}`, () => {
    const parsed = parseNetwork(network);
    assert.ok(parsed !== undefined);
    assert.equal(isInNetwork(parsed, address(source)), isIn);
  });
}

for (const text of [
  '',
  '10/8',
  '192.0.2.0/33',
  '192.0.2.0/-1',
  '192.0.2.0/08',
  '192.0.2.0/24/1',
  '192.0.2.0/',
  '::ffff:192.0.2.7',
  'fe80::1%eth0',
  '2001:db8::/129',
  'example.org',
  '0x7f.1',
]) {
  test(`"${text}" is no network`, () => assert.equal(parseNetwork(text), undefined));
}
