/**
 * Limits log lines that strangers can cause at will (replays): a few lines at once, then one summary a minute. The number
 * of keys is bounded too: beyond the limit, new keys share one bucket.
 */
export interface LogLimit {
  /** True when the line may be written now; otherwise counts it as suppressed. */
  allow(key: string, nowMs: number): boolean;
  /** Returns and resets the counts of suppressed lines, for the keys whose minute is over. */
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
