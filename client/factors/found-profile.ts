/** Finds the profile for a typed HOST, together with the ledger of its used factors. */
import { join } from 'node:path';
import type { Deps } from '../deps.ts';
import { configFolder, profileStore, type StoredProfile } from '../profiles/profile-store.ts';
import { ledgerNameOf } from '../profiles/secret-storage.ts';
import { type FactorLedger, factorLedger } from './factor-ledger.ts';

export interface FoundProfile {
  readonly stored: StoredProfile;
  readonly ledger: FactorLedger;
}

/** @throws KnockError PROFILE_MISSING, USAGE, and what reading a profile throws */
export async function findProfile(host: string, door: string | undefined, deps: Deps): Promise<FoundProfile> {
  const config = configFolder(deps.env, deps.owner.platform);
  const stored = await profileStore(config, deps.owner).find(host, door);
  return { stored, ledger: factorLedger(join(config, 'spent', ledgerNameOf(stored)), deps.owner) };
}
