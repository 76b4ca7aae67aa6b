/**
 * Moving factors: the counters of RFC 4226 and the time steps of RFC 6238, by otplib. A moving factor is an integer,
 * either a HOTP counter C or a TOTP time step T. `server/core/policy.ts` decides which are accepted;
 * `authenticator-code.ts` makes codes.
 */
import { counterToBytes } from '@otplib/core';
import { getTimeStepUsed } from '@otplib/totp';
import { KnockError } from './errors.ts';

export type OtpMode = 'totp' | 'hotp';

/** Default seconds of a time step, RFC 6238 section 5.2. */
export const DEFAULT_STEP_SECONDS = 30;

/** T = floor(unix / step), RFC 6238 section 4.2 with T0 = 0. `wallMs` is Unix time in milliseconds, not negative. */
export function timeStepAt(wallMs: number, stepSeconds: number): number {
  return getTimeStepUsed(Math.floor(wallMs / 1000), stepSeconds);
}

/** Unix milliseconds at which time step T begins; it ends where T + 1 begins. */
export function timeStepStart(timeStep: number, stepSeconds: number): number {
  return timeStep * stepSeconds * 1000;
}

/**
 * The factor as HMAC input (RFC 4226 section 5.1): 8 bytes, big-endian.
 * @throws KnockError CONFIG_INVALID when it is not an integer from 0 to 2^53 - 1: a negative one would encode as a huge
 *   one, and above 2^53 two neighbours are the same number, so they give the same knocks
 */
export function factorBytes(factor: number): Uint8Array {
  if (!Number.isSafeInteger(factor) || factor < 0) {
    throw new KnockError('CONFIG_INVALID', `a moving factor is an integer from 0 to 2^53 - 1, found ${factor}`);
  }
  return counterToBytes(factor);
}
