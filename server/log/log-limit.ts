/**
 * Keeps lines that a stranger can cause at will (replays) from filling the log: a few at once, then one summary a
 * minute. Bounded in keys too: beyond the limit, kinds share one bucket.
 */
export interface LogLimit {
  /** True when the line may be written now; otherwise it is counted. */
  allow(key: string, nowMs: number): boolean;
  /** How many lines of each key were held back since the last call, for keys whose minute is over. */
  drain(nowMs: number): readonly { readonly key: string; readonly suppressed: number }[];
}

const WINDOW_MS = 60_000;
const MAX_KEYS = 1_000;
const SHARED_KEY = 'others';

export function createLogLimit(perMinute: number): LogLimit {
  const windows = new Map<string, { startedMs: number; written: number; suppressed: number }>();
  return {
    allow(wanted, nowMs) {
      const key = windows.has(wanted) || windows.size < MAX_KEYS ? wanted : SHARED_KEY;
      const window = windows.get(key) ?? { startedMs: nowMs, written: 0, suppressed: 0 };
      windows.set(key, window);
      if (window.written < perMinute) {
        window.written += 1;
        return true;
      }
      window.suppressed += 1;
      return false;
    },
    drain(nowMs) {
      const over = [...windows].filter(([, { startedMs }]) => nowMs - startedMs >= WINDOW_MS);
      for (const [key] of over) windows.delete(key);
      return over.filter(([, { suppressed }]) => suppressed > 0).map(([key, { suppressed }]) => ({ key, suppressed }));
    },
  };
}
