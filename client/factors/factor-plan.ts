/**
 * Decides which moving factor a knock may use next, and when. Pure: the clock is an argument. factor-ledger.ts reserves
 * it.
 */
import { type OtpMode, timeStepAt, timeStepStart } from '../../shared/moving-factor.ts';

export interface FactorRequest {
  readonly mode: OtpMode;
  /** Unix milliseconds. */
  readonly wallMs: number;
  /** Seconds of a time step; TOTP. */
  readonly stepSeconds: number;
  /** Time steps either way that the server accepts; TOTP. */
  readonly window: number;
  /** First counter of the profile; HOTP. */
  readonly firstCounter: number;
  /** The highest factor ever reserved; -1 for none. */
  readonly lastUsed: number;
  /** False: a time step is not used before it begins by this clock, although the window allows it. */
  readonly mayBeEarly: boolean;
}

export interface FactorPlan {
  readonly factor: number;
  /** Milliseconds until the factor may be used; 0 for now. */
  readonly waitMs: number;
  /** True when the factor is used before its time step begins, which fails for a clock that is already ahead. */
  readonly early: boolean;
}

/**
 * With window 0, a step that ends sooner than this is not used: its packets would arrive in the next step. With a
 * window of 1 or more the server accepts the step after its end too.
 */
export const STEP_EDGE_MS = 1000;

/**
 * The lowest unused factor that the server accepts soonest. TOTP: the current time step; when that is used, the next
 * one, as early as the window allows. Spending T on the server spends every step up to T (RFC 6238 section 5.2). HOTP:
 * the next counter (RFC 4226 section 7.4); none is skipped, because the server's look-ahead window is small.
 */
export function planFactor(request: FactorRequest): FactorPlan {
  const { mode, wallMs, stepSeconds, window, firstCounter, lastUsed, mayBeEarly } = request;
  if (mode === 'hotp') return { factor: Math.max(firstCounter, lastUsed + 1), waitMs: 0, early: false };
  const current = timeStepAt(wallMs, stepSeconds);
  const endsTooSoon = window === 0 && timeStepStart(current + 1, stepSeconds) - wallMs < STEP_EDGE_MS;
  const factor = Math.max(current + (endsTooSoon ? 1 : 0), lastUsed + 1);
  const usableFrom = timeStepStart(factor - (mayBeEarly ? window : 0), stepSeconds);
  const waitMs = Math.max(0, usableFrom - wallMs);
  return { factor, waitMs, early: wallMs + waitMs < timeStepStart(factor, stepSeconds) };
}
