/** Decides which moving factor `knock-otp show` shows, and when a knock could use it. Spends nothing. */
import { KnockError } from '../../shared/errors.ts';
import { timeStepAt, timeStepStart } from '../../shared/moving-factor.ts';
import type { FactorLedger } from '../factors/factor-ledger.ts';
import { planFactor } from '../factors/factor-plan.ts';
import type { PublicProfile } from '../profiles/public-profile.ts';

export interface ShowRequest {
  readonly profile: PublicProfile;
  readonly wallMs: number;
  /** Unix seconds to show instead of now; TOTP. */
  readonly at: number | undefined;
  /** Counter to show instead of the next one; HOTP. */
  readonly counter: number | undefined;
  /** Whether the authenticator code is shown instead of the sequence. */
  readonly code: boolean;
}

export interface ShownFactor {
  readonly factor: number;
  /** Milliseconds until a knock could use the factor; 0 for now. */
  readonly waitMs: number;
}

/** @throws KnockError USAGE when the option does not fit the profile's mode; STORE */
export async function factorToShow(request: ShowRequest, ledger: FactorLedger): Promise<ShownFactor> {
  const { profile, wallMs, at, counter } = request;
  if (at !== undefined) {
    if (profile.mode !== 'totp') throw wrongMode('--at', 'counters', '--counter N');
    return { factor: timeStepAt(at * 1000, profile.step), waitMs: 0 };
  }
  if (counter !== undefined) {
    if (profile.mode !== 'hotp') throw wrongMode('--counter', 'time steps', '--at UNIX_SECONDS');
    return { factor: counter, waitMs: 0 };
  }
  // An app does not know which steps are used: it shows the code of the current step.
  if (request.code && profile.mode === 'totp') return { factor: timeStepAt(wallMs, profile.step), waitMs: 0 };
  const { factor, waitMs } = planFactor({
    mode: profile.mode,
    wallMs,
    stepSeconds: profile.step,
    window: profile.window,
    firstCounter: profile.counter,
    lastUsed: await ledger.last(),
    mayBeEarly: true,
  });
  return { factor, waitMs };
}

/** Unix milliseconds at which a server with this clock stops accepting a time step. */
export function acceptedUntilMs({ step, window }: Pick<PublicProfile, 'step' | 'window'>, timeStep: number): number {
  return timeStepStart(timeStep + window + 1, step);
}

function wrongMode(option: string, kind: string, instead: string): KnockError {
  return new KnockError('USAGE', `${option} does not fit: this door uses ${kind}`, { hint: `use ${instead}` });
}
