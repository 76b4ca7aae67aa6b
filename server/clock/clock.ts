/** The clock edge: the wall clock for time steps and journals, the monotonic one for everything that must not jump. */
import type { Now } from '../core/grants.ts';
import { monotonicMs } from './monotonic.ts';

export interface Clock {
  now(): Now;
}

/** `monoMs` is CLOCK_MONOTONIC: the same line that the capture children stamp packets on. */
export const systemClock: Clock = {
  now: () => ({ wallMs: Date.now(), monoMs: monotonicMs() }),
};
