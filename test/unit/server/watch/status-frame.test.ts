/** Frames of `knock-otpd watch` in terminals of several sizes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Status } from '../../../../server/daemon/status.ts';
import { renderFrame } from '../../../../server/watch/status-frame.ts';

const NOW = Date.UTC(2026, 10, 21, 7, 40);
const status: Status = {
  ...{ version: '1.2.3', pid: 7, server: 'bastion', startedAt: NOW - 60_000 },
  ...{ healthy: true, guardStands: true, clockTrusted: true },
  capture: { kind: 'pcap', sees: 'all' },
  interfaces: [{ interface: 'eth0', state: 'listening', since: NOW, received: 90, dropped: 0, restarts: 0 }],
  doors: [
    { name: 'ssh', mode: 'totp', clients: 2, maxStrays: 64, openFor: 1 },
    { name: 'old', mode: 'file', clients: 0, linesLeft: 0, openFor: 0 },
  ],
  clients: [
    { name: 'phone', door: 'ssh', drift: 0 },
    { name: 'laptop', door: 'ssh', drift: -1, lastUse: NOW - 20_000 },
  ],
  grants: [{ door: 'ssh', source: '192.0.2.7', client: 'laptop', openedAt: NOW - 20_000, remainingSeconds: 10 }],
  services: [],
  counters: { packets: 90, strays: 60, attempts: 1, opened: 3, refused: 2, failed: 0 },
  refusals: { replay: 2 },
};
const earlier = { counters: { packets: 70, strays: 60 }, atMs: NOW - 2_000 };
const wide = { columns: 80, rows: 40, color: false };

test('a picture has what is open, who came last, and how fast packets come', () => {
  assert.equal(
    renderFrame(status, NOW, wide, earlier).join('\n'),
    `knock-otpd 1.2.3 as bastion: healthy
eth0: listening, 0 dropped
packets 90 (10/s)  strays 60 (0/s)  attempts now 1
opened 3  refused 2 (replay 2)  failed 0

doors
  ssh  totp, 2 clients, open for 1
  old  file, 0 sequences left, open for 0

open now
     10 s  ssh  192.0.2.7  laptop

last use
  laptop  ssh  20 s ago  drift -1
  phone  ssh  never`,
  );
});

test('trouble stands at the top', () => {
  const interfaces = [
    { ...status.interfaces[0], interface: 'eth0', state: 'deaf' as const, reason: 'the interface is down' },
  ];
  const ill = { ...status, healthy: false, guardStands: false, clockTrusted: false, interfaces } as Status;
  const lines = renderFrame(ill, NOW, wide);
  assert.match(lines[0] ?? '', /NOT HEALTHY/);
  assert.match(lines[1] ?? '', /guard is MISSING/);
  assert.match(lines[2] ?? '', /clock stands before/);
  assert.match(lines[3] ?? '', /eth0: deaf, the interface is down/);
});

test('in a low and narrow terminal lines are cut, and what is left out is counted', () => {
  const grants = Array.from({ length: 50 }, (_, at) => ({
    ...{ door: 'ssh', source: `192.0.2.${at}`, client: 'laptop', openedAt: NOW, remainingSeconds: at },
  }));
  const lines = renderFrame({ ...status, grants }, NOW, { columns: 30, rows: 16, color: false });
  assert.equal(lines.length, 16);
  assert.ok(lines.every((line) => line.length <= 30));
  assert.ok(lines.some((line) => /and \d+ more/.test(line)));
  assert.equal(lines[2], 'packets 90  strays 60  attemp~');
});

test('of any size a picture fits, and without color it has no escapes', () => {
  const size = fc.record({ columns: fc.integer({ min: 1, max: 200 }), rows: fc.integer({ min: 1, max: 60 }) });
  fc.assert(
    fc.property(size, fc.boolean(), ({ columns, rows }, color) => {
      const lines = renderFrame(status, NOW, { columns, rows, color });
      assert.ok(lines.length <= rows);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: colors are escapes
      const bare = lines.map((line) => line.replaceAll(/\u001b\[\d+m/g, ''));
      assert.ok(bare.every((line) => line.length <= columns));
      if (!color) assert.deepEqual(bare, lines);
    }),
  );
});
