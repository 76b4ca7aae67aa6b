/**
 * Where the secret of a profile is: in its file, in its file under a passphrase, or in the system's keyring. The file
 * always has the name of the used factors, so nothing is asked for when the door is already open.
 */
import { KnockError } from '../../shared/errors.ts';
import { Secret } from '../../shared/secret.ts';
import type { Deps } from '../deps.ts';
import { ledgerName } from './ledger-name.ts';
import type { PublicProfile } from './public-profile.ts';

export type SecretStorage =
  | { readonly kind: 'plain'; readonly secret: Secret }
  | { readonly kind: 'passphrase'; readonly sealed: string; readonly factors: string }
  /** The account in the keyring is the name of the used factors, which is derived from the secret. */
  | { readonly kind: 'keyring'; readonly factors: string };

export interface ProfileAndStorage {
  readonly name: string;
  readonly profile: PublicProfile;
  readonly storage: SecretStorage;
}

/** The name of the folder of used factors. */
export function ledgerNameOf({ profile, storage }: Omit<ProfileAndStorage, 'name'>): string {
  return storage.kind === 'plain' ? ledgerName({ ...profile, secret: storage.secret }) : storage.factors;
}

/** Reads the secret; may ask for the passphrase. @throws KnockError SECRET_INVALID, USAGE, STORE */
export async function readSecret({ name, profile, storage }: ProfileAndStorage, deps: Deps): Promise<Secret> {
  switch (storage.kind) {
    case 'plain':
      return storage.secret;
    case 'passphrase': {
      const { unlockWithPassphrase } = await import('./passphrase.ts');
      return await unlockWithPassphrase(name, storage.sealed, profile, deps);
    }
    case 'keyring': {
      const { readKeyring } = await import('./keyring.ts');
      const text = await readKeyring(storage.factors);
      const secret = text === undefined ? undefined : Secret.fromBase32(text);
      if (secret !== undefined && ledgerName({ ...profile, secret }) === storage.factors) return secret;
      throw new KnockError('SECRET_INVALID', `the keyring has no secret for "${name}"`, {
        hint: 'it was removed from the keyring, or this is another account: add the profile again, or ask for a new one',
      });
    }
  }
}

/** Stores a secret in the given way. @throws KnockError USAGE, STORE */
export async function storeSecret(
  kind: SecretStorage['kind'],
  name: string,
  profile: PublicProfile,
  secret: Secret,
  deps: Deps,
): Promise<SecretStorage> {
  const factors = ledgerName({ ...profile, secret });
  switch (kind) {
    case 'plain':
      return { kind, secret };
    case 'passphrase': {
      const [{ newPassphrase }, { seal }] = await Promise.all([
        import('./passphrase.ts'),
        import('./sealed-secret.ts'),
      ]);
      return { kind, sealed: await seal(secret, await newPassphrase(name, deps), profile), factors };
    }
    case 'keyring': {
      const { writeKeyring } = await import('./keyring.ts');
      await writeKeyring(factors, secret.toBase32());
      return { kind, factors };
    }
  }
}
