/**
 * CLOCK_MONOTONIC in milliseconds, the same in the daemon and its capture children. process.hrtime has one origin for all
 * processes but allocates an object per call; performance.now() allocates nothing but has its own origin. Both use libuv's
 * clock, so their difference is constant.
 */

// A first call before hrtime, because it loads a module, and that time would be in the difference.
performance.now();
const [seconds, nanoseconds] = process.hrtime();
const originMs = seconds * 1000 + nanoseconds / 1e6 - performance.now();

export function monotonicMs(): number {
  return originMs + performance.now();
}
