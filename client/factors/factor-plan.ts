/**
 * Which moving factor a knock may use next. Pure arithmetic on a clock that is an argument. factor-ledger.ts reserves the
 * factor durably.
 */
import { type OtpMode, timeStepAt, timeStepStart } from '../../shared/moving-factor.ts';

export interface FactorRequest {
  readonly mode: OtpMode;
  /** Unix milliseconds. */
  readonly wallMs: number;
  /** Seconds of a time step; TOTP. */
  readonly stepSeconds: number;
  /** Steps either way that the server accepts; TOTP. */
  readonly window: number;
  /** First counter of the profile; HOTP. */
  readonly firstCounter: number;
  /** The highest factor that was ever reserved; -1 when none was. */
  readonly lastUsed: number;
  /** False: a time step is not used before it begins by our clock, although the window would allow it. */
  readonly mayBeEarly: boolean;
}

export interface FactorPlan {
  readonly factor: number;
  /** Milliseconds until it may be used; 0 for now. */
  readonly waitMs: number;
  /** True when it is sent before its own time step begins: wrong for a client whose clock is already ahead. */
  readonly early: boolean;
}

/**
 * With no window at all, a step that ends sooner than this is not begun: its packets would arrive in the next one.
 * With a window of one or more the step is still accepted after its end.
 */
export const STEP_EDGE_MS = 1000;

/**
 * The lowest factor that was never used and that the server accepts soonest. TOTP: the present step; when that is used,
 * the next one, as early as the window allows, since spending T on the server spends every step up to T (RFC 6238
 * section 5.2). HOTP: the next counter (RFC 4226 section 7.4); never ahead of need, the server's look-ahead is short.
 */
export function planFactor(question: FactorRequest): FactorPlan {
  const { mode, wallMs, stepSeconds, window, firstCounter, lastUsed, mayBeEarly } = question;
  if (mode === 'hotp') return { factor: Math.max(firstCounter, lastUsed + 1), waitMs: 0, early: false };
  const present = timeStepAt(wallMs, stepSeconds);
  const endsTooSoon = window === 0 && timeStepStart(present + 1, stepSeconds) - wallMs < STEP_EDGE_MS;
  const factor = Math.max(present + (endsTooSoon ? 1 : 0), lastUsed + 1);
  const usableFrom = timeStepStart(factor - (mayBeEarly ? window : 0), stepSeconds);
  const waitMs = Math.max(0, usableFrom - wallMs);
  return { factor, waitMs, early: wallMs + waitMs < timeStepStart(factor, stepSeconds) };
}
