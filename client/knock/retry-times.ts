/**
 * Which moving factor a knock may use next, and when its packets are repeated. Pure arithmetic on clocks that are
 * arguments: reserving the factor durably is factor-ledger.ts, doing it all is knock-run.ts.
 */
import { type OtpMode, timeStepAt, timeStepStart } from '../../shared/moving-factor.ts';

export interface FactorQuestion {
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
const STEP_EDGE_MS = 1000;

/**
 * The lowest factor that was never used and that the server accepts soonest. TOTP: the present step; when that is used,
 * the next one, as early as the window allows, since spending T on the server spends every step up to T (RFC 6238
 * section 5.2). HOTP: the next counter (RFC 4226 section 7.4); never ahead of need, the server's look-ahead is short.
 */
export function planFactor(question: FactorQuestion): FactorPlan {
  const { mode, wallMs, stepSeconds, window, firstCounter, lastUsed, mayBeEarly } = question;
  if (mode === 'hotp') return { factor: Math.max(firstCounter, lastUsed + 1), waitMs: 0, early: false };
  const present = timeStepAt(wallMs, stepSeconds);
  const endsTooSoon = window === 0 && timeStepStart(present + 1, stepSeconds) - wallMs < STEP_EDGE_MS;
  const factor = Math.max(present + (endsTooSoon ? 1 : 0), lastUsed + 1);
  const usableFrom = timeStepStart(factor - (mayBeEarly ? window : 0), stepSeconds);
  const waitMs = Math.max(0, usableFrom - wallMs);
  return { factor, waitMs, early: wallMs + waitMs < timeStepStart(factor, stepSeconds) };
}

/**
 * Milliseconds after its first packet at which the whole sequence is sent again. The server counts distinct pairs, so a
 * repetition fills in what the path lost and costs nothing where nothing was lost. The first one comes soon enough that
 * a lost packet is hardly noticed, later ones leave a congested path room; all are within any sensible `seq_timeout`,
 * and each is a whole sequence of its own where that is shorter.
 */
export const RESEND_AFTER_MS: readonly number[] = [150, 450, 1050, 2250];

/** Repetitions when nothing can be verified: enough for ordinary loss. */
export const BLIND_RESEND_AFTER_MS: readonly number[] = RESEND_AFTER_MS.slice(0, 2);

/** How long one factor is given before the next one is used: the last repetition, a long round trip, a slow command. */
export const PATIENCE_MS = 4000;

/**
 * Pause between the knocks of a sequence whose order matters, so that paths which spread packets over links or queues
 * rarely swap them. Sequences in any order leave at once.
 */
export const STRICT_GAP_MS = 15;

/** How long the port is watched after ports of the command line or a line of a file; nothing else is tried after it. */
export const GIVEN_PATIENCE_MS = 10_000;

/** Addresses of one host that are tried, and factors spent on it, at most. */
export const MAX_ADDRESSES = 4;

/**
 * How many factors one run may spend: two for a single address (loss, or a step spent by another device), else one for
 * each address. HOTP's bound is the server's look-ahead, 10 by default: a client without a network must not run past it.
 */
export function factorBudget(addresses: number): number {
  return Math.max(2, Math.min(addresses, MAX_ADDRESSES));
}
