/**
 * The library: the functions that another program needs to knock or to show a sequence, in the terms of docs/SPEC.md.
 * Pure: no clock, no file, no socket. The calling program must keep one rule of the SPEC: persist a moving factor
 * before its first knock leaves, and never use it again.
 *
 * ```ts import { deriveFromProfile, parseProfileUri, timeStepAt } from 'knock-otp';
 *
 * const profile = parseProfileUri(uri); const sequence = deriveFromProfile(profile, timeStepAt(Date.now(),
 * profile.step)); // [{ protocol: 'tcp', port: 21722 }, ...] ```
 */
import { derivationKey, deriveSequence } from './derive.ts';
import { type Profile, profileShape } from './formats/profile-uri.ts';
import type { Knock } from './knock.ts';

export { allowedPorts, formatPortRanges, type PortRange, type PortRanges, parsePortRanges } from './allowed-ports.ts';
export { authenticatorCode } from './authenticator-code.ts';
export { type DerivationKey, derivationKey, deriveSequence, type Identity, type Shape } from './derive.ts';
export { type ErrorCode, KnockError, type Problem } from './errors.ts';
export { formatProfileUri, type Profile, parseProfileUri, profileShape, type Service } from './formats/profile-uri.ts';
export { formatKnock, formatSequence, type Knock, type Protocol } from './knock.ts';
export { type OtpMode, timeStepAt, timeStepStart } from './moving-factor.ts';
export { Secret } from './secret.ts';

/**
 * The sequence of a profile for one moving factor: a time step for totp, a counter for hotp. `boundSource` is the
 * client's address as the server sees it, 4 or 16 bytes, if the door binds sequences to it (SPEC section 4).
 * @throws KnockError CONFIG_INVALID when the factor is no integer from 0 to 2^53 - 1
 */
export function deriveFromProfile(profile: Profile, factor: number, boundSource?: Uint8Array): Knock[] {
  const { server, door, client, mode } = profile;
  const identity = { server, door, client, mode, boundSource };
  return deriveSequence(derivationKey(profile.secret), identity, factor, profileShape(profile));
}
