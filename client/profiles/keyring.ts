/**
 * The system's keyring: the Secret Service of a Linux desktop, the Keychain of macOS, the Credential Manager of Windows.
 * The package that speaks to them is native and optional; it is loaded when a profile is kept there, and never else.
 */
import type { AsyncEntry } from '@napi-rs/keyring';
import { KnockError } from '../../shared/errors.ts';

const SERVICE = 'knock-otp';

/** Without this a Linux without a Secret Service would use the kernel's keyring, which forgets everything at a reboot. */
const OPTIONS = { linux: { store: 'secret-service' } } as const;

/** @returns undefined when nothing is kept there @throws KnockError STORE */
export async function readKeyring(account: string): Promise<string | undefined> {
  return (await asked(account, 'read', async (entry) => await entry.getPassword())) ?? undefined;
}

/** @throws KnockError STORE when it does not come back as it was written */
export async function writeKeyring(account: string, text: string): Promise<void> {
  await asked(account, 'written', async (entry) => {
    await entry.setPassword(text);
    if ((await entry.getPassword()) !== text) throw new Error('it came back changed');
  });
}

/** @throws KnockError STORE */
export async function removeFromKeyring(account: string): Promise<void> {
  await asked(account, 'written', async (entry) => await entry.deletePassword());
}

async function asked<T>(account: string, verb: string, work: (entry: AsyncEntry) => Promise<T>): Promise<T> {
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
