/**
 * CLOCK_MONOTONIC in milliseconds, the one line that the daemon and its capture children measure on: process.hrtime counts it
 * from the same origin in every process, performance.now() from one of its own, but without making an object for each
 * packet. Both are libuv's.
 */

// Before hrtime: the first mention of `performance` loads a module, and what that takes would be in the difference.
performance.now();
const [seconds, nanoseconds] = process.hrtime();
const originMs = seconds * 1000 + nanoseconds / 1e6 - performance.now();

export function monotonicMs(): number {
  return originMs + performance.now();
}
