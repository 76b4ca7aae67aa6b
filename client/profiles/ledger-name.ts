/**
 * The name of a profile's factor ledger, kept with the profiles because a locked profile stores it without its secret.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, concatBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { derivationInfo, derivationKey } from '../../shared/derive.ts';
import type { Profile } from '../../shared/formats/profile-uri.ts';

/**
 * Derived from everything that the sequences depend on, not from the profile's name: the same URI that is added again
 * under another name must find its used factors. The hash is one-way, so the name does not reveal the secret.
 */
export function ledgerName(profile: Profile): string {
  // The library that derives sequences is loaded anyway; node:crypto is not.
  const named = concatBytes(
    utf8ToBytes('knock-otp factors\0'),
    derivationKey(profile.secret),
    derivationInfo(profile, 0),
    utf8ToBytes(`step ${profile.step}`),
  );
  return bytesToHex(sha256(named)).slice(0, 32);
}
