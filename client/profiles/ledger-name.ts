/**
 * The name of a profile's factor ledger. The profiles know it, because a locked profile names its ledger without its secret.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, concatBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { derivationInfo, derivationKey } from '../../shared/derive.ts';
import type { Profile } from '../../shared/formats/profile-uri.ts';

/**
 * Names a profile's factors by what the sequences depend on, not by the profile's name: adding the same URI again, under
 * whatever name, must find the factors that were used. One-way, so the name tells nothing of the secret.
 */
export function ledgerName(profile: Profile): string {
  // The library that derives sequences: node:crypto would have to be loaded for this alone.
  const named = concatBytes(
    utf8ToBytes('knock-otp factors\0'),
    derivationKey(profile.secret),
    derivationInfo(profile, 0),
    utf8ToBytes(`step ${profile.step}`),
  );
  return bytesToHex(sha256(named)).slice(0, 32);
}
