/** The clock: wall time for time steps and journals, monotonic time for durations, which must not jump. */
import type { Now } from '../core/grants.ts';
import { monotonicMs } from './monotonic.ts';

export interface Clock {
  now(): Now;
}

/** `monoMs` is CLOCK_MONOTONIC, by which the capture children stamp packets too. */
export const systemClock: Clock = {
  now: () => ({ wallMs: Date.now(), monoMs: monotonicMs() }),
};
