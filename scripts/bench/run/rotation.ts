/** Section e: what a time step costs the daemon, and for how long it blocks packets and timers. */
import { randomBytes } from 'node:crypto';
import { UNUSED } from '../../../server/core/door.ts';
import { Engine } from '../../../server/core/engine.ts';
import type { Now } from '../../../server/core/grants.ts';
import { Rotation } from '../../../server/daemon/rotation.ts';
import {
  allowedPorts,
  DEFAULT_EXCLUDE_PORTS,
  DEFAULT_PORT_RANGE,
  parsePortRanges,
} from '../../../shared/allowed-ports.ts';
import { derivationKey } from '../../../shared/derive.ts';
import { Secret } from '../../../shared/secret.ts';
import type { RotationResult } from '../report/results.ts';

const STEP_S = 30;

/** Runs a daemon's own engine and rotation, one time step after another, and takes the median step. */
export async function measureRotation(clients: number, say: (line: string) => void): Promise<RotationResult> {
  const time: { wallMs: number; monoMs: number } = { wallMs: Date.UTC(2026, 0, 1), monoMs: 0 };
  const ports = allowedPorts(parsePortRanges(DEFAULT_PORT_RANGE), parsePortRanges(DEFAULT_EXCLUDE_PORTS));
  const engine = new Engine('bench', [
    {
      name: 'ssh',
      order: 'any',
      seqTimeoutMs: 10_000,
      grantMs: 30_000,
      maxStrays: 28,
      mode: 'totp',
      shape: { knocks: 6, ports, protocols: 'tcp' },
      stepSeconds: STEP_S,
      window: 1,
      lookAhead: 0,
    },
  ]);
  for (let at = 0; at < clients; at += 1) {
    const key = derivationKey(Secret.fromBytes(randomBytes(20)));
    engine.enrol({ door: 'ssh', client: `client${at}`, keyId: `${at}`, key }, UNUSED);
  }
  const now = (): Now => ({ ...time });
  const rotation = new Rotation(engine, { now }, () => undefined);
  await rotation.advance();
  const steps: RotationResult[] = [];
  for (let step = 0; step < 9; step += 1) {
    time.wallMs += STEP_S * 1000;
    time.monoMs += STEP_S * 1000;
    steps.push(await oneStep(rotation, clients));
  }
  steps.sort((a, b) => a.totalMs - b.totalMs);
  const middle = steps[4] ?? { clients, totalMs: Number.NaN, longestTurnMs: Number.NaN };
  const longest = steps.map(({ longestTurnMs }) => longestTurnMs).sort((a, b) => a - b)[4] ?? Number.NaN;
  const result = { ...middle, longestTurnMs: longest };
  say(`${clients} clients: ${result.totalMs.toFixed(1)} ms a step, longest turn ${result.longestTurnMs.toFixed(1)} ms`);
  return result;
}

async function oneStep(rotation: Rotation, clients: number): Promise<RotationResult> {
  let longestTurnMs = 0;
  let turnBeganAt = performance.now();
  let over = false;
  const watch = (): void => {
    const at = performance.now();
    longestTurnMs = Math.max(longestTurnMs, at - turnBeganAt);
    turnBeganAt = at;
    if (!over) setImmediate(watch);
  };
  setImmediate(watch);
  const beganAt = process.cpuUsage();
  await rotation.advance();
  const { user, system } = process.cpuUsage(beganAt);
  watch();
  over = true;
  await new Promise(setImmediate);
  return { clients, totalMs: (user + system) / 1000, longestTurnMs };
}
