/** Written-down sequences in the engine: the stages, and the completion. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ANY_PACKET, type ListedDoor, TCP_SYN, type TcpFlagRule } from '../../../../server/core/door.ts';
import { type Effect, Engine } from '../../../../server/core/engine.ts';
import type { Pair } from '../../../../shared/knock.ts';
import { MAX_STRAYS } from '../../../../shared/odds.ts';
import { address } from '../../../support/core/doors.ts';

const SOURCE = address('192.0.2.7');
const OTHER = address('192.0.2.8');
const HERE = address('203.0.113.1');
const ELSEWHERE = address('203.0.113.9');
const ACK = 0x10;

function listed(name: string, changes: Partial<ListedDoor> = {}): ListedDoor {
  return {
    name,
    mode: 'static',
    order: 'strict',
    lookAhead: 1,
    seqTimeoutMs: 5000,
    grantMs: 10_000,
    maxStrays: MAX_STRAYS,
    ...changes,
  };
}

class Bench {
  readonly engine: Engine;
  monoMs = 1000;

  constructor(doors: readonly (readonly [ListedDoor, ...(readonly Pair[])[]])[]) {
    this.engine = new Engine(
      'bastion',
      doors.map(([door]) => door),
    );
    for (const [door, ...lines] of doors) {
      this.setLines(door.name, lines);
    }
  }

  setLines(door: string, lines: readonly (readonly Pair[])[], firstId = 1): void {
    const listedLines = lines.map((pairs, at) => ({ id: firstId + at, pairs }));
    this.engine.setLines(door, listedLines, { wallMs: 0, monoMs: this.monoMs });
  }

  packet(pair: Pair, { source = SOURCE, flags = TCP_SYN, gapMs = 1, to = HERE } = {}): string[] {
    this.monoMs += gapMs;
    const now = { wallMs: this.monoMs, monoMs: this.monoMs };
    return this.engine.decidePacket(this.monoMs, source, to, pair, flags, to === HERE, now).map(wordOf);
  }

  knock(...pairs: Pair[]): string[] {
    return pairs.flatMap((pair) => this.packet(pair));
  }
}

function wordOf(effect: Effect): string {
  if (effect.kind === 'stage') return `${effect.door} ${effect.stage}`;
  if (effect.kind === 'refuse') return `${effect.door} ${effect.reason}`;
  if (effect.kind === 'scan') return 'scan!';
  return effect.kind === 'admit' ? `${effect.door} open` : `${effect.door} ${effect.kind}!`;
}

test('when a sequence is knocked then each stage is told, the last one before the opening', () => {
  const bench = new Bench([[listed('ssh'), [7000, 8000, 9000]]]);
  assert.deepEqual(bench.knock(7000, 8000, 9000), ['ssh 1', 'ssh 2', 'ssh 3', 'ssh open']);
});

test('when a static sequence is knocked again then it opens again, which is why it is warned of', () => {
  const bench = new Bench([[listed('ssh'), [7000, 8000, 9000]]]);
  bench.knock(7000, 8000, 9000);
  assert.deepEqual(bench.packet(7000, { source: OTHER }), ['ssh 1']);
  assert.deepEqual(bench.knock(7000, 8000, 9000), ['ssh 1', 'ssh 2', 'ssh 3', 'ssh open']);
});

test('when a knock is repeated then its stage is told once', () => {
  const bench = new Bench([[listed('ssh'), [7000, 8000, 9000]]]);
  assert.deepEqual(bench.knock(7000, 7000, 8000, 8000, 8000, 9000), ['ssh 1', 'ssh 2', 'ssh 3', 'ssh open']);
});

test('when a port repeats in the sequence then each of its places is a stage', () => {
  const bench = new Bench([[listed('ssh'), [7000, 7000, 8000, 7000]]]);
  assert.deepEqual(bench.knock(7000, 7000, 8000, 7000), ['ssh 1', 'ssh 2', 'ssh 3', 'ssh 4', 'ssh open']);
});

test('when packets stray beyond the budget then no further stage is told, since none is reached', () => {
  const bench = new Bench([[listed('ssh'), [7000, 8000, 9000]]]);
  assert.deepEqual(bench.knock(7000, 1, 8000, 9000), ['ssh 1']);
});

test('when the time of a sequence is over then its stages begin anew', () => {
  const bench = new Bench([[listed('ssh'), [7000, 8000, 9000]]]);
  bench.knock(7000, 8000);
  assert.deepEqual(bench.packet(9000, { gapMs: 6000 }), []);
  assert.deepEqual(bench.packet(7000), ['ssh 1']);
});

test('when doors share a first port then both go on side by side', () => {
  const bench = new Bench([
    [listed('a'), [7000, 8000, 8500, 9000]],
    [listed('b'), [7000, 6000, 8500, 5000]],
  ]);
  assert.deepEqual(bench.knock(7000, 8000, 6000, 8500, 5000, 9000), [
    'a 1',
    'b 1',
    'a 2',
    'b 2',
    'a 3',
    'b 3',
    'b 4',
    'b open',
    'a 4',
    'a open',
  ]);
});

test('when a line is spent then its replay is refused and has no stages, and the next line opens', () => {
  const bench = new Bench([[listed('ssh', { mode: 'file' }), [7000, 8000, 9000, 6000], [1111, 3333, 2222, 4444]]]);
  bench.knock(7000, 8000, 9000, 6000);
  assert.deepEqual(bench.knock(7000, 8000, 9000, 6000), ['ssh replay']);
  assert.deepEqual(bench.knock(1111, 3333, 2222, 4444).at(-1), 'ssh open');
  assert.equal(bench.engine.linesLeft('ssh'), 0);
});

test('when a line was begun before it was live then what came earlier does not count', () => {
  const bench = new Bench([[listed('ssh', { mode: 'file' }), [7000, 8000, 9000, 6000], [1111, 3333, 2222, 4444]]]);
  bench.knock(1111, 3333, 2222);
  bench.knock(7000, 8000, 9000, 6000);
  assert.deepEqual(bench.knock(4444), []);
});

/** A rule, the flags of a packet, and whether it knocks. */
const flagRows: readonly { rule: TcpFlagRule | undefined; flags: number; knocks: boolean; why: string }[] = [
  { rule: ANY_PACKET, flags: 0, knocks: true, why: 'nothing is asked for' },
  { rule: ANY_PACKET, flags: TCP_SYN | ACK, knocks: true, why: 'nothing is excluded' },
  { rule: { set: 0x01, clear: ACK }, flags: 0x01, knocks: true, why: 'fin,!ack' },
  { rule: { set: 0x01, clear: ACK }, flags: 0x11, knocks: false, why: 'an ACK' },
  { rule: { set: TCP_SYN | ACK, clear: 0 }, flags: TCP_SYN, knocks: false, why: 'no ACK' },
  { rule: undefined, flags: TCP_SYN, knocks: true, why: 'tcpflags = syn' },
  { rule: undefined, flags: TCP_SYN | ACK, knocks: false, why: 'an answer to this host' },
];

for (const { rule, flags, knocks, why } of flagRows) {
  test(`when flags ${flags} meet the rule ${JSON.stringify(rule)} then they knock or do not count (${why})`, () => {
    const bench = new Bench([[listed('ssh', rule === undefined ? {} : { tcpFlags: rule }), [7000]]]);
    assert.deepEqual(bench.packet(7000, { flags }), knocks ? ['ssh 1', 'ssh open'] : []);
  });
}

test('when a packet has other flags than the door asks for then it is no stray either', () => {
  const bench = new Bench([[listed('ssh'), [7000, 8000, 9000]]]);
  bench.packet(7000);
  for (let port = 1; port < 500; port += 1) bench.packet(port, { flags: ACK });
  assert.deepEqual(bench.knock(8000, 9000).at(-1), 'ssh open');
});

test('when a door has a target then packets to it knock and those to this host do not', () => {
  const bench = new Bench([[listed('wake', { target: ELSEWHERE }), [7000]]]);
  assert.deepEqual(bench.packet(7000), []);
  assert.deepEqual(bench.packet(7000, { to: ELSEWHERE }), ['wake 1', 'wake open']);
});
