/** `knock-otp show`: what a knock would send, without spending it; or the code of an authenticator app, to compare. */
import { derivationKey, deriveSequence } from '../shared/derive.ts';
import { KnockError } from '../shared/errors.ts';
import { formatSequence } from '../shared/knock.ts';
import { authenticatorCode, timeStepAt } from '../shared/moving-factor.ts';
import { type Profile, profileShape } from '../shared/profile-uri.ts';
import type { FactorLedger } from './factors.ts';
import { planFactor } from './plan.ts';

export interface ShowRequest {
  readonly profile: Profile;
  readonly wallMs: number;
  /** Unix seconds to show instead of now; TOTP. */
  readonly at: number | undefined;
  /** Counter to show instead of the next one; HOTP. */
  readonly counter: number | undefined;
  /** The authenticator code instead of the sequence. */
  readonly code: boolean;
}

export interface Shown {
  readonly text: string;
  readonly factor: number;
  /** Milliseconds until a knock could use the factor; 0 for now. */
  readonly waitMs: number;
}

/** @throws KnockError USAGE when the option does not fit the profile's mode; STORE */
export async function show(request: ShowRequest, ledger: FactorLedger): Promise<Shown> {
  const { profile } = request;
  const { factor, waitMs } = await chosenFactor(request, ledger);
  if (request.code) return { text: authenticatorCode(profile.secret, factor), factor, waitMs: 0 };
  const sequence = deriveSequence(derivationKey(profile.secret), profile, factor, profileShape(profile));
  return { text: formatSequence(sequence), factor, waitMs };
}

async function chosenFactor(request: ShowRequest, ledger: FactorLedger): Promise<{ factor: number; waitMs: number }> {
  const { profile, wallMs, at, counter } = request;
  if (at !== undefined) {
    if (profile.mode !== 'totp') throw wrongMode('--at', 'counters', '--counter N');
    return { factor: timeStepAt(at * 1000, profile.step), waitMs: 0 };
  }
  if (counter !== undefined) {
    if (profile.mode !== 'hotp') throw wrongMode('--counter', 'time steps', '--at UNIX_SECONDS');
    return { factor: counter, waitMs: 0 };
  }
  // An app knows nothing of used steps: it shows the code of the present one.
  if (request.code && profile.mode === 'totp') return { factor: timeStepAt(wallMs, profile.step), waitMs: 0 };
  return planFactor({
    mode: profile.mode,
    wallMs,
    stepSeconds: profile.step,
    window: profile.window,
    firstCounter: profile.counter,
    lastUsed: await ledger.last(),
    mayBeEarly: true,
  });
}

function wrongMode(option: string, kind: string, instead: string): KnockError {
  return new KnockError('USAGE', `${option} does not fit: this door counts ${kind}`, { hint: `use ${instead}` });
}
