/**
 * Services on demand: when one that a knock has started is to be stopped again. Pure: what is known of it so far, a look
 * at its connections and logins, and the time, into what is known now and a verdict. Looking and stopping are the edges'.
 * Whatever cannot be read counts as busy, since a session must never be cut by a guess.
 */

/** One look. Times are monotonic milliseconds. */
export interface ServiceLook {
  /** Whether somebody listens at one of its ports. */
  readonly listening: boolean;
  /** Established connections to its ports. */
  readonly connections: number;
  /** The last login on this machine, where logins are recorded. */
  readonly lastLoginMs?: number;
}

export interface ServiceState {
  /** Whether it has been seen to listen: only then does a port without a listener mean that it has been stopped. */
  readonly wasSeen: boolean;
  /** Looks in a row that found no listener, since one was seen. */
  readonly missing: number;
  /** Monotonic milliseconds since when it is idle; undefined while it is busy. */
  readonly idleSinceMs: number | undefined;
}

export type ServiceVerdict =
  | 'busy' // connections, a grant, or nobody knows
  | 'idle' // not for long enough
  | 'stop' // idle for long enough
  | 'gone'; // somebody else has stopped it

/** So many looks without a listener: a service that is restarted has none for a moment. */
const MISSING_LOOKS = 2;

/**
 * @param look undefined when the connections cannot be read
 * @param isWanted a grant is open at its door, or a knock is about to open one
 * @param idleMs how long it must have been idle to be stopped
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
  // A login is the end of an idle time, also where its connection is over by now. Never in the future: a clock may jump.
  const login = Math.min(look.lastLoginMs ?? Number.NEGATIVE_INFINITY, nowMs);
  const idleSinceMs = Math.max(state.idleSinceMs ?? nowMs, login);
  const isDue = nowMs - idleSinceMs >= idleMs && missing === 0;
  return { state: { wasSeen, missing, idleSinceMs }, verdict: isDue ? 'stop' : 'idle' };
}
