/** `knock-otp lock` and `unlock`: change where the secret of a profile is stored. */
import { KnockError } from '../../shared/errors.ts';
import type { Deps } from '../deps.ts';
import { configFolder, profileStore } from '../profiles/profile-store.ts';
import { readSecret, type SecretStorage, storeSecret } from '../profiles/secret-storage.ts';
import { print, say } from '../terminal/output.ts';
import { storageOption } from './profile-commands.ts';

export interface LockOptions {
  readonly door?: string;
  readonly passphrase?: boolean;
  readonly keyring?: boolean;
}

const PLACES: Readonly<Record<SecretStorage['kind'], string>> = {
  plain: 'in its file, which only you can read',
  passphrase: 'in its file, under a passphrase',
  keyring: 'in the keyring of this system',
};

/** @throws KnockError USAGE, SECRET_INVALID, STORE, PROFILE_MISSING */
export async function lockProfile(host: string, options: LockOptions, deps: Deps): Promise<void> {
  const kind = storageOption(options) ?? 'passphrase';
  await store(host, options.door, kind, deps);
  if (kind === 'passphrase') say(deps, 'a forgotten passphrase cannot be recovered: then ask for a new profile');
  say(deps, 'the old content of the file may still be on the disk: knock-otpd enroll --replace makes a new secret');
}

/** @throws KnockError SECRET_INVALID, STORE, PROFILE_MISSING */
export async function unlockProfile(host: string, door: string | undefined, deps: Deps): Promise<void> {
  await store(host, door, 'plain', deps);
}

async function store(host: string, door: string | undefined, kind: SecretStorage['kind'], deps: Deps): Promise<void> {
  const profiles = profileStore(configFolder(deps.env, deps.owner.platform), deps.owner);
  const stored = await profiles.find(host, door);
  const { name, profile, storage } = stored;
  if (storage.kind === kind && kind !== 'passphrase') {
    throw new KnockError('USAGE', `the secret of "${name}" is already kept ${PLACES[kind]}`);
  }
  const secret = await readSecret(stored, deps);
  await profiles.rewrite(stored, await storeSecret(kind, name, profile, secret, deps));
  // The copy in the keyring is removed last, so that the secret is never lost.
  if (storage.kind === 'keyring') {
    const { removeFromKeyring } = await import('../profiles/keyring.ts');
    await removeFromKeyring(storage.factors);
  }
  print(deps, `${name}: the secret is kept ${PLACES[kind]}`);
}
