/**
 * Port scans against the engine with real derivation: no sweep opens a door, whatever its order (issue of knockd #71).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DoorPolicy, TCP_SYN, UNUSED } from '../../../../server/core/door.ts';
import { Engine } from '../../../../server/core/engine.ts';
import { address, doorPolicy, enrolment, SERVER } from '../../../support/core/doors.ts';

const ALL_PORTS = Array.from({ length: 65_535 }, (_, at) => at + 1);

/** Deterministic Fisher-Yates with a linear congruential generator: a failure can be repeated. */
function shuffled(seed: number): readonly number[] {
  const ports = [...ALL_PORTS];
  let state = seed;
  for (let i = ports.length - 1; i > 0; i -= 1) {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    const j = state % (i + 1);
    [ports[i], ports[j]] = [ports[j] ?? 0, ports[i] ?? 0];
  }
  return ports;
}

const sweeps: readonly { name: string; ports: readonly number[] }[] = [
  { name: 'ascending', ports: ALL_PORTS },
  { name: 'descending', ports: ALL_PORTS.toReversed() },
  { name: 'shuffled', ports: shuffled(1) },
  { name: 'ascending and descending at once', ports: ALL_PORTS.flatMap((port) => [port, 65_536 - port]) },
];
const doors: readonly { name: string; policy: DoorPolicy }[] = [
  { name: 'six knocks in any order', policy: doorPolicy({ maxStrays: 194 }) },
  { name: 'six knocks in strict order', policy: doorPolicy({ order: 'strict', maxStrays: 256 }) },
];

for (const { name, policy } of doors) {
  for (const sweep of sweeps) {
    test(`a sweep of all ports, ${sweep.name}, three times over, does not open ${name}`, () => {
      const engine = new Engine(SERVER, [policy]);
      for (let client = 0; client < 8; client += 1) engine.enrol(enrolment(`client${client}`), UNUSED);
      const now = { wallMs: 30_000_000, monoMs: 0 };
      while (!engine.advance(now, 100));
      const source = address('192.0.2.66');
      const here = address('203.0.113.1');
      for (let round = 0; round < 3; round += 1) {
        for (const port of sweep.ports) {
          now.monoMs += 0.01;
          assert.equal(engine.decidePacket(now.monoMs, source, here, port, TCP_SYN, true, now).length, 0);
        }
      }
      assert.ok(engine.counters.trackedSources <= 1);
    });
  }
}
