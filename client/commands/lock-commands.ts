/** `knock-otp lock` and `unlock`: where the secret of a profile is kept from now on. */
import { KnockError } from '../../shared/errors.ts';
import type { Deps } from '../deps.ts';
import { configFolder, profileStore } from '../profiles/profile-store.ts';
import { readSecret, type SecretStorage, storeSecret } from '../profiles/secret-storage.ts';
import { print, say } from '../terminal/output.ts';
import { storageAsked } from './profile-commands.ts';

export interface LockOptions {
  readonly door?: string;
  readonly passphrase?: boolean;
  readonly keyring?: boolean;
}

const WORDS: Readonly<Record<SecretStorage['kind'], string>> = {
  plain: 'in its file, which only you can read',
  passphrase: 'in its file, under a passphrase',
  keyring: 'in the keyring of this system',
};

/** @throws KnockError USAGE, SECRET_INVALID, STORE, PROFILE_MISSING */
export async function lockProfile(host: string, options: LockOptions, deps: Deps): Promise<void> {
  const kind = storageAsked(options) ?? 'passphrase';
  await keep(host, options.door, kind, deps);
  if (kind === 'passphrase') say(deps, 'a forgotten passphrase cannot be had back: then ask for a new profile');
  say(
    deps,
    'what was in the file before may still be found on the disk: knock-otpd enroll --replace makes a new secret',
  );
}

/** @throws KnockError SECRET_INVALID, STORE, PROFILE_MISSING */
export async function unlockProfile(host: string, door: string | undefined, deps: Deps): Promise<void> {
  await keep(host, door, 'plain', deps);
}

async function keep(host: string, door: string | undefined, kind: SecretStorage['kind'], deps: Deps): Promise<void> {
  const store = profileStore(configFolder(deps.env, deps.owner.platform), deps.owner);
  const stored = await store.find(host, door);
  const { name, profile, storage } = stored;
  if (storage.kind === kind && kind !== 'passphrase') {
    throw new KnockError('USAGE', `the secret of "${name}" is kept ${WORDS[kind]} already`);
  }
  const secret = await readSecret(stored, deps);
  await store.rewrite(stored, await storeSecret(kind, name, profile, secret, deps));
  // The other copy goes last: until the file is written, the secret must be somewhere.
  if (storage.kind === 'keyring') {
    const { removeFromKeyring } = await import('../profiles/keyring.ts');
    await removeFromKeyring(storage.factors);
  }
  print(deps, `${name}: the secret is kept ${WORDS[kind]}`);
}
