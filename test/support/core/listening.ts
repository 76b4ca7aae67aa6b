/** Doors and sequences for tests of listening: small numbers, and a repeatable generator. */
import type { Cohort, ListenedDoor } from '../../../server/capture/listen/cohorts.ts';
import type { LiveSequence } from '../../../server/core/matching/live-sequence.ts';

export const STEP_MS = 30_000;

export function listenedDoor(changes: Partial<ListenedDoor> = {}): ListenedDoor {
  return {
    name: 'ssh',
    ports: Array.from({ length: 40 }, (_, at) => 2000 + at),
    protocols: 'tcp',
    size: 12,
    stepMs: STEP_MS,
    window: 1,
    seqTimeoutMs: 10_000,
    shape: 'three',
    ...changes,
  };
}

let lastId = 0;

/** A live sequence for a factor. Listening code uses only its door, factor and ports. */
export function liveSequence(factor: number, pairs: readonly number[], door = 'ssh'): LiveSequence {
  lastId += 1;
  return {
    ...{ id: lastId, door, client: 'laptop', keyId: 'laptop', factor, pairs, order: 'any', seqTimeoutMs: 10_000 },
    ...{ maxStrays: 0, enteredAtMs: 0 },
  };
}

/** Whole numbers from 0 to below the argument: Lehmer's generator, so that a failure can be repeated. */
export function drawing(seed: number): (below: number) => number {
  let state = (seed % 2_147_483_646) + 1;
  return (below) => {
    state = (state * 48_271) % 2_147_483_647;
    return Math.floor((state / 2_147_483_647) * below);
  };
}

/** `count` different ports of a door. */
export function drawnPorts({ ports }: ListenedDoor, count: number, draw: (below: number) => number): readonly number[] {
  const drawn = new Set<number>();
  while (drawn.size < count) drawn.add(ports[draw(ports.length)] ?? 0);
  return [...drawn];
}

/** Milliseconds at which a factor's own step begins. */
export function atFactor(factor: number): number {
  return factor * STEP_MS;
}

export function cohortWith(cohorts: readonly Cohort[], ports: readonly number[]): Cohort | undefined {
  return cohorts.find((cohort) => ports.every((port) => cohort.ports.includes(port)));
}
