/** Streamed answers of the control socket, and that no follower can delay the daemon. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { controlSocketPath } from '../../../../server/control/control-requests.ts';
import { listenForControl } from '../../../../server/control/control-server.ts';
import { followDaemon } from '../../../../server/control/control-stream.ts';
import { LiveTrace } from '../../../../server/explain/live-trace.ts';
import { KnockError } from '../../../../shared/errors.ts';
import { address, enrolment } from '../../../support/core/doors.ts';
import { DaemonBench } from '../../../support/daemon/daemon-bench.ts';
import { memoryInUse } from '../../../support/host/memory.ts';

type Send = (line: string) => void;

async function listening(
  use: (dir: string, senders: Set<Send>, changed: () => Promise<void>) => Promise<void>,
): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'knock-otp-stream-'));
  const senders = new Set<Send>();
  let wake = () => {};
  const follow = (send: Send) => {
    if (senders.size >= 2) return undefined;
    senders.add(send);
    wake();
    return () => {
      senders.delete(send);
      wake();
    };
  };
  const changed = () => new Promise<void>((resolve) => (wake = resolve));
  const listener = await listenForControl(dir, async () => 'answer', follow);
  try {
    await use(dir, senders, changed);
  } finally {
    await listener.close();
    rmSync(dir, { recursive: true });
  }
}

test('lines come in their order until the follower leaves, and then nobody is sent to', async () => {
  await listening(async (dir, senders, changed) => {
    const leave = new AbortController();
    const lines: string[] = [];
    const here = changed();
    const following = followDaemon(dir, 'trace', (line) => lines.push(line) === 3 && leave.abort(), leave.signal);
    await here;
    const gone = changed();
    for (const line of ['1', '2', '3']) for (const send of senders) send(line);
    await following;
    await gone;
    assert.deepEqual([lines, senders.size], [['1', '2', '3'], 0]);
  });
});

test('who does not read is cut off before he costs memory', async () => {
  await listening(async (dir, senders, changed) => {
    const here = changed();
    const socket = createConnection(controlSocketPath(dir));
    socket.pause().on('error', () => undefined);
    await once(socket, 'connect');
    socket.write('{"request":"trace"}\n');
    await here;
    const [send] = senders;
    assert.ok(send !== undefined);
    const gone = changed();
    const before = memoryInUse('arrayBuffers');
    for (let line = 0; line < 20_000; line += 1) send('x'.repeat(1_000));
    await gone;
    assert.equal(senders.size, 0);
    assert.ok(memoryInUse('arrayBuffers') - before < 10_000_000);
    socket.destroy();
  });
});

test('where enough follow already, and where no daemon is, it is said', async () => {
  await listening(async (dir, senders, changed) => {
    for (const _ of [1, 2]) {
      const here = changed();
      createConnection(controlSocketPath(dir))
        .on('error', () => undefined)
        .write('{"request":"trace"}\n');
      await here;
    }
    assert.equal(senders.size, 2);
    const never = new AbortController().signal;
    const full = await followDaemon(dir, 'trace', () => undefined, never).catch((error: unknown) => error);
    assert.match(String(full), /too many others follow already/);
    const nobody = await followDaemon('/nonexistent', 'trace', () => undefined, never).catch((error: unknown) => error);
    assert.ok(nobody instanceof KnockError && nobody.code === 'CONTROL');
  });
});

test('a flood is told in part and counted, and leaves room for what is told of a knock', async () => {
  const laptop = enrolment('laptop');
  const bench = new DaemonBench([laptop]);
  await bench.daemon.start();
  const lines: string[] = [];
  const stop = bench.daemon.trace.follow((line) => lines.push(line));
  for (let at = 0; at < 900; at += 1) bench.packet(1 + at, address('198.51.100.9'));
  bench.knock(laptop, 1000, address('192.0.2.7'));
  assert.ok(lines.length <= 206, `${lines.length}`);
  const told = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.ok(told.some(({ skipped }) => typeof skipped === 'number' && skipped >= 700));
  assert.match(lines.at(-1) ?? '', /"outcomes":\[\{"door":"ssh","client":"laptop","opens":true\}\]/);
  stop?.();
  const before = lines.length;
  bench.knock(laptop, 1001, address('192.0.2.7'));
  assert.equal(lines.length, before);
  await bench.daemon.stop();
});

test('no more than four follow at a time', () => {
  const observed: boolean[] = [];
  const trace = new LiveTrace({ isSpent: () => false, observe: (observer) => observed.push(observer !== undefined) });
  const stops = [1, 2, 3, 4, 5].map(() => trace.follow(() => undefined));
  assert.deepEqual(
    stops.map((stop) => stop !== undefined),
    [true, true, true, true, false],
  );
  for (const stop of stops) stop?.();
  assert.equal(observed.at(-1), false);
});
