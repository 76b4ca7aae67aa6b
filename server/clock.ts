/** The clock edge: the wall clock for time steps and journals, the monotonic one for everything that must not jump. */
import type { Now } from './core/grants.ts';

export interface Clock {
  now(): Now;
}

// performance.now() makes no bigint, and it is asked for every packet. It runs on hrtime's clock from an origin of its own.
const originMs = Number(process.hrtime.bigint()) / 1e6 - performance.now();

/** `monoMs` is CLOCK_MONOTONIC: the same line that the capture children stamp packets on. */
export const systemClock: Clock = {
  now: () => ({ wallMs: Date.now(), monoMs: originMs + performance.now() }),
};
