/**
 * Gets the next factor of a run: plans it (factor-plan.ts), waits until the server accepts it, and reserves it
 * (factor-ledger.ts).
 */
import { KnockError } from '../../shared/errors.ts';
import type { Clock } from '../deps.ts';
import type { PublicProfile } from '../profiles/public-profile.ts';
import type { FactorLedger } from './factor-ledger.ts';
import { type FactorPlan, planFactor } from './factor-plan.ts';

export interface NextFactorRequest {
  readonly profile: PublicProfile;
  /** What the user typed, for messages. */
  readonly name: string;
  readonly ledger: FactorLedger;
  readonly clock: Clock;
  /** Whether a time step may be used before it begins by this clock. */
  readonly mayBeEarly: boolean;
  /** Whether the run has tried other factors: then their failure is the error, not the wait. */
  readonly triedBefore: boolean;
  /** Milliseconds that the run has left. */
  readonly leftMs: () => number;
  readonly signal: AbortSignal | undefined;
  /** Called once a second during the wait. */
  readonly onWait: (waitMs: number) => void;
}

/** The countdown shows seconds; a clock that is set meanwhile is noticed within a second. */
const COUNTDOWN_MS = 1000;

/**
 * Undefined when the run has ended, and when the time left is too short and other factors were tried.
 * @throws KnockError FACTOR_USED when the time left is too short for the first factor; STORE
 */
export async function nextFactor(request: NextFactorRequest): Promise<FactorPlan | undefined> {
  const { profile, name, ledger, clock, mayBeEarly, triedBefore, signal } = request;
  const { mode, step, window, counter } = profile;
  for (;;) {
    const lastUsed = await ledger.last();
    const plan = planFactor({
      mode,
      wallMs: clock.wallMs(),
      stepSeconds: step,
      window,
      firstCounter: counter,
      lastUsed,
      mayBeEarly,
    });
    if (signal?.aborted === true) return undefined;
    const leftMs = request.leftMs();
    if (leftMs <= 0 || plan.waitMs >= leftMs) {
      if (triedBefore) return undefined;
      throw stepUsed(name, plan, `${ledger.folder}/${lastUsed}`);
    }
    if (plan.waitMs === 0) {
      if (await ledger.reserve(plan.factor)) return plan;
    } else {
      request.onWait(plan.waitMs);
      // The remainder first, so that the countdown shows whole seconds.
      await clock.sleep(plan.waitMs % COUNTDOWN_MS || COUNTDOWN_MS, signal);
    }
  }
}

/** A longer wait is not possible with a correct clock and a window of a few steps. */
const ABSURD_WAIT_MS = 15 * 60 * 1000;

/** FACTOR_USED: the next time step cannot be used within the time that the user gives. */
function stepUsed(name: string, plan: FactorPlan, record: string): KnockError {
  if (plan.waitMs > ABSURD_WAIT_MS) {
    return new KnockError('FACTOR_USED', `the last knock at ${name} used a time step far ahead of this clock`, {
      hint: `set the clock; if it is right now and was ahead then, delete ${record}`,
    });
  }
  const wait = Math.ceil(plan.waitMs / 1000);
  return new KnockError('FACTOR_USED', `the time step for ${name} is used; the next one can be used in ${wait} s`, {
    hint: `wait, or allow the wait with --timeout ${wait + 10}`,
  });
}
