/**
 * Decides when a service that a knock has started is stopped again (services on demand). A pure function: from the
 * state so far, a look at the service's connections and logins, and the time, to the new state and a verdict.
 * `server/demand` takes the looks and stops services. What cannot be read counts as busy, so that no session is cut on
 * a guess.
 */

/** One look at a service. Times are monotonic milliseconds. */
export interface ServiceLook {
  /** Whether one of its ports has a listener. */
  readonly listening: boolean;
  /** Established connections to its ports. */
  readonly connections: number;
  /** The last login on this machine, if logins are recorded. */
  readonly lastLoginMs?: number;
}

export interface ServiceState {
  /** Whether a look has found a listener. Only after that does a port without a listener mean a stopped service. */
  readonly wasSeen: boolean;
  /** Consecutive looks without a listener, after one was seen. */
  readonly missing: number;
  /** Start of the idle time, monotonic milliseconds; undefined while busy. */
  readonly idleSinceMs: number | undefined;
}

export type ServiceVerdict =
  | 'busy' // connections, a grant, or an unreadable state
  | 'idle' // not for long enough
  | 'stop' // idle for long enough
  | 'gone'; // stopped by another program

/** Consecutive looks without a listener that mean `gone`: a service that restarts has no listener for a moment. */
const MISSING_LOOKS = 2;

/**
 * @param look undefined when the connections cannot be read
 * @param isWanted a grant is open at its door, or is about to be
 * @param idleMs idle milliseconds after which the service is stopped
 */
export function judgeService(
  state: ServiceState,
  look: ServiceLook | undefined,
  isWanted: boolean,
  nowMs: number,
  idleMs: number,
): { readonly state: ServiceState; readonly verdict: ServiceVerdict } {
  if (look === undefined) return { state: { ...state, missing: 0, idleSinceMs: undefined }, verdict: 'busy' };
  const wasSeen = state.wasSeen || look.listening;
  const missing = wasSeen && !look.listening && look.connections === 0 ? state.missing + 1 : 0;
  if (missing >= MISSING_LOOKS) return { state: { ...state, wasSeen, missing }, verdict: 'gone' };
  if (isWanted || look.connections > 0) return { state: { wasSeen, missing, idleSinceMs: undefined }, verdict: 'busy' };
  // A login restarts the idle time, even if its connection has ended. Capped at now, because a clock may jump.
  const login = Math.min(look.lastLoginMs ?? Number.NEGATIVE_INFINITY, nowMs);
  const idleSinceMs = Math.max(state.idleSinceMs ?? nowMs, login);
  const isDue = nowMs - idleSinceMs >= idleMs && missing === 0;
  return { state: { wasSeen, missing, idleSinceMs }, verdict: isDue ? 'stop' : 'idle' };
}
