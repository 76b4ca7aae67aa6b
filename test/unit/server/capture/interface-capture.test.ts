import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import type { CaptureStatus } from '../../../../server/capture/capture.ts';
import type { ChildEvents } from '../../../../server/capture/child-process.ts';
import {
  FIRST_BACKOFF_MS,
  InterfaceCapture,
  LASTED_MS,
  MAX_BACKOFF_MS,
  SILENCE_MS,
} from '../../../../server/capture/interface-capture.ts';
import type { LinkState } from '../../../../server/capture/link-state.ts';
import { addressKey } from '../../../../shared/address.ts';

const UP: LinkState = { usable: true, index: 7 };
const DOWN: LinkState = { usable: false, reason: 'the interface is down' };
const source = addressKey('192.0.2.7');
const destination = addressKey('198.51.100.1');
assert.ok(source !== undefined && destination !== undefined);

interface FakeChild {
  readonly events: ChildEvents;
  killed: boolean;
}

describe('one interface', () => {
  let now: number;
  let link: LinkState;
  let children: FakeChild[];
  let states: CaptureStatus[];
  let arrivals: number[];
  let flagsSeen: number[];
  let losses: number[];
  let capture: InterfaceCapture;

  beforeEach(() => {
    now = 1000;
    link = UP;
    children = [];
    states = [];
    arrivals = [];
    flagsSeen = [];
    losses = [];
    capture = new InterfaceCapture(
      {
        name: 'eth0',
        scope: { udp: false, tcp: 'any' },
        onArrival: (atMs, _source, _destination, _pair, flags) => {
          arrivals.push(atMs);
          flagsSeen.push(flags);
        },
        onLost: (packets) => void losses.push(packets),
        onState: (status) => void states.push(status),
      },
      {
        readLink: () => link,
        monotonicMs: () => now,
        wallMs: () => now + 1_000_000,
        launch(_device, _scope, events) {
          const child: FakeChild = { events, killed: false };
          children.push(child);
          return {
            kill() {
              child.killed = true;
              return Promise.resolve();
            },
          };
        },
      },
    );
  });

  function last(): FakeChild {
    const child = children.at(-1);
    assert.ok(child !== undefined, 'a child was started');
    return child;
  }

  function listen(countsLosses = true): void {
    capture.tick();
    last().events.opened({ atMs: now, linkType: 1, uid: 65_534, kept: 0, countsLosses });
  }

  function beat(received = 0, dropped = 0): void {
    last().events.heartbeat({ atMs: now, received, dropped, frames: received });
  }

  /** Advances the clock, with the supervisor's ticks. */
  function pass(ms: number, beating = true): void {
    for (const end = now + ms; now < end; ) {
      now += 250;
      if (beating && children.length > 0) beat();
      capture.tick();
    }
  }

  const reported = (): string[] =>
    states.map(({ state, reason }) => (reason === undefined ? state : `${state}: ${reason}`));

  test('when the device opens then it listens, and says what was given up', () => {
    assert.equal(capture.status().state, 'starting');
    listen();
    assert.deepEqual(reported(), ['listening']);
    assert.equal(states[0]?.privileges, 'dropped to user 65534, no capabilities, few system calls');
    assert.equal(states[0]?.since, now + 1_000_000);
  });

  test('when the child cannot notice losses then the status says so, and no more when the next one can', () => {
    listen(false);
    assert.equal(states[0]?.lossesUnseen, true);
    last().events.ended('gone');
    pass(250);
    last().events.opened({ atMs: now, linkType: 1, uid: 65_534, kept: 0, countsLosses: true });
    assert.equal(capture.status().lossesUnseen, undefined);
  });

  test('when the interface is down from the start then it is deaf once, and no child is wasted on it', () => {
    link = DOWN;
    pass(5000);
    assert.deepEqual(reported(), ['deaf: the interface is down']);
    assert.equal(children.length, 0);
    link = UP;
    pass(250);
    assert.equal(children.length, 1);
  });

  test('when the child dies by a lost link then the reason is the link, and its return starts another at once', () => {
    listen();
    pass(1000);
    link = DOWN;
    last().events.ended('the interface went down or was deleted');
    pass(60_000, false);
    assert.equal(children.length, 1);
    link = UP;
    now += 250;
    listen();
    assert.equal(children.length, 2);
    assert.deepEqual(reported(), ['listening', 'deaf: the interface is down', 'listening']);
    assert.equal(capture.status().restarts, 1);
  });

  test('when the interface has become another of the same name then the child is replaced at once', () => {
    listen();
    link = { usable: true, index: 8 };
    listen();
    assert.equal(children[0]?.killed, true);
    assert.equal(children.length, 2);
    assert.deepEqual(reported(), ['listening', 'deaf: the interface was deleted and created again', 'listening']);
  });

  test('when children die at once then the waits double up to a bound, and deafness is said once', () => {
    const waits: number[] = [];
    capture.tick();
    for (let failures = 0; failures < 10; failures += 1) {
      last().events.ended('cannot open eth0: no permission');
      const diedAt = now;
      const before = children.length;
      while (children.length === before) {
        now += 10;
        capture.tick();
      }
      waits.push(now - diedAt);
    }
    assert.deepEqual(reported(), ['deaf: cannot open eth0: no permission']);
    assert.ok((waits[0] ?? 0) <= 10, `first wait ${waits[0]}`);
    assert.equal(waits[1], FIRST_BACKOFF_MS);
    assert.equal(waits[2], FIRST_BACKOFF_MS * 2);
    assert.equal(waits.at(-1), MAX_BACKOFF_MS);
  });

  test('when a child lasted then its death is followed by another at once', () => {
    capture.tick();
    for (let failures = 0; failures < 5; failures += 1) {
      last().events.ended('no permission');
      pass(MAX_BACKOFF_MS, false);
    }
    listen();
    pass(LASTED_MS + 1000);
    const before = children.length;
    last().events.ended('the capture process was ended by SIGKILL');
    now += 10;
    capture.tick();
    assert.equal(children.length, before + 1);
  });

  test('when the child falls silent then it is killed and that is deafness', () => {
    listen();
    pass(SILENCE_MS, false);
    assert.deepEqual(reported(), ['listening']);
    pass(500, false);
    assert.equal(children[0]?.killed, true);
    assert.deepEqual(reported(), ['listening', 'deaf: the capture process does not answer']);
  });

  test('when it was the daemon that stood still then the child is left alone', () => {
    listen();
    now += 60_000;
    capture.tick();
    beat();
    pass(SILENCE_MS * 2);
    assert.equal(children[0]?.killed, false);
    assert.deepEqual(reported(), ['listening']);
  });

  test('when heartbeats find no room among packets then the packets prove that the child lives', () => {
    listen();
    for (let turn = 0; turn < 100; turn += 1) {
      last().events.packet(now, source, destination, 8000, 0x02, 0);
      pass(250, false);
    }
    assert.deepEqual(reported(), ['listening']);
  });

  test('when the child never opens its device then that is deafness too', () => {
    capture.tick();
    pass(SILENCE_MS + 500, false);
    assert.deepEqual(reported(), ['deaf: the capture process does not answer']);
  });

  test('when a child lies about the time then arrivals are neither from the future nor out of order', () => {
    listen();
    const { events } = last();
    for (const [at, atMs] of [now - 5, now + 1e9, now - 900, 0].entries())
      events.packet(atMs, source, destination, 8000, at, 0);
    assert.deepEqual(arrivals, [now - 5, now, now, now]);
    assert.deepEqual(flagsSeen, [0, 1, 2, 3], 'flags go along untouched');
  });

  test('when children follow each other then their counts add up', () => {
    listen();
    beat(10, 1);
    last().events.ended('gone');
    now += 250;
    listen();
    beat(5, 2);
    assert.deepEqual([capture.status().received, capture.status().dropped], [15, 3]);
  });

  test('when it is stopped then the child is killed and none follows', async () => {
    listen();
    await capture.stop();
    assert.equal(last().killed, true);
    pass(60_000, false);
    assert.equal(children.length, 1);
  });

  test('when packets are lost, or the device was opened anew, then that is told in its place', () => {
    listen();
    last().events.packet(now, source, destination, 8000, 0x02, 0);
    last().events.lost({ atMs: now, packets: 3 });
    last().events.packet(now, source, destination, 8000, 0x02, 0);
    last().events.ended('it went');
    pass(FIRST_BACKOFF_MS);
    listen();
    assert.deepEqual(losses, [0, 3, 0]);
  });
});
