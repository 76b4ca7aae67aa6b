/**
 * The keyring of the system: the Secret Service of a Linux desktop, the Keychain of macOS, the Credential Manager of
 * Windows. The package for it is native and optional; it is loaded only when a profile uses the keyring.
 */
import type { AsyncEntry } from '@napi-rs/keyring';
import { KnockError } from '../../shared/errors.ts';

const SERVICE = 'knock-otp';

/** Otherwise Linux without a Secret Service would use the kernel's keyring, which is lost at a reboot. */
const OPTIONS = { linux: { store: 'secret-service' } } as const;

/** @returns undefined when the account has no entry @throws KnockError STORE */
export async function readKeyring(account: string): Promise<string | undefined> {
  return (await withEntry(account, 'read', async (entry) => await entry.getPassword())) ?? undefined;
}

/** @throws KnockError STORE, also when the text that is read back differs */
export async function writeKeyring(account: string, text: string): Promise<void> {
  await withEntry(account, 'written', async (entry) => {
    await entry.setPassword(text);
    if ((await entry.getPassword()) !== text) throw new Error('it returned another text');
  });
}

/** @throws KnockError STORE */
export async function removeFromKeyring(account: string): Promise<void> {
  await withEntry(account, 'written', async (entry) => await entry.deletePassword());
}

async function withEntry<T>(account: string, verb: string, work: (entry: AsyncEntry) => Promise<T>): Promise<T> {
  let Entry: typeof AsyncEntry;
  try {
    ({ AsyncEntry: Entry } = await import('@napi-rs/keyring'));
  } catch (cause) {
    throw new KnockError('STORE', 'the package @napi-rs/keyring is not installed', {
      hint: 'npm install @napi-rs/keyring beside knock-otp, or lock the profile with a passphrase',
      cause,
    });
  }
  try {
    return await work(new Entry(SERVICE, account, OPTIONS));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.split('\n', 1)[0] : 'unknown';
    throw new KnockError('STORE', `the keyring of this system cannot be ${verb}: ${why}`, {
      hint: 'it needs a desktop session whose keyring is unlocked; elsewhere lock the profile with a passphrase',
      cause,
    });
  }
}
