/**
 * The next factor of a run: planned, waited for where the server would not take it yet, and reserved durably. Which one and
 * when is factor-plan.ts, the reservation is factor-ledger.ts.
 */
import { KnockError } from '../../shared/errors.ts';
import type { Clock } from '../deps.ts';
import type { PublicProfile } from '../profiles/public-profile.ts';
import type { FactorLedger } from './factor-ledger.ts';
import { type FactorPlan, planFactor } from './factor-plan.ts';

export interface FactorWish {
  readonly profile: PublicProfile;
  /** What the user typed, for messages. */
  readonly name: string;
  readonly ledger: FactorLedger;
  readonly clock: Clock;
  /** Whether a time step may be used before it begins by our clock. */
  readonly mayBeEarly: boolean;
  /** Other factors were tried before: then what was seen says more than the wait. */
  readonly triedBefore: boolean;
  /** Milliseconds that the run has left. */
  readonly leftMs: () => number;
  readonly signal: AbortSignal | undefined;
  /** Called once a second while it is waited for. */
  readonly onWait: (waitMs: number) => void;
}

/** A countdown has seconds; a clock that is set while we wait is noticed as soon. */
const COUNTDOWN_MS = 1000;

/**
 * Undefined when the run is ended, and for a factor that cannot be had in the time that is left when others were tried.
 * @throws KnockError FACTOR_USED when none was, STORE
 */
export async function nextFactor(wish: FactorWish): Promise<FactorPlan | undefined> {
  const { profile, name, ledger, clock, mayBeEarly, triedBefore, signal } = wish;
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
    const leftMs = wish.leftMs();
    if (leftMs <= 0 || plan.waitMs >= leftMs) {
      if (triedBefore) return undefined;
      throw stepUsed(name, plan, `${ledger.folder}/${lastUsed}`);
    }
    if (plan.waitMs === 0) {
      if (await ledger.reserve(plan.factor)) return plan;
    } else {
      wish.onWait(plan.waitMs);
      // The remainder first, so that the countdown shows whole seconds.
      await clock.sleep(plan.waitMs % COUNTDOWN_MS || COUNTDOWN_MS, signal);
    }
  }
}

/** More than a working clock and a window of a few steps can make anybody wait. */
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
