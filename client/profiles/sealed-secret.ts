/**
 * A secret under a passphrase, as one line of a profile file. scrypt (RFC 7914) makes a key from the passphrase; each
 * guess costs 128 MiB and a third of a second. AES-256-GCM encrypts the secret with that key. It also authenticates the
 * fields on which sequences depend, so a sealed secret that is moved into another profile does not open.
 *
 *     scrypt:17:8:1:SALT:NONCE:SEALED     log2 N, r, p; 16, 12 and n + 16 bytes in base64url
 */
import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto';
import { derivationInfo } from '../../shared/derive.ts';
import { Secret } from '../../shared/secret.ts';
import type { PublicProfile } from './public-profile.ts';

/** RFC 7914 section 2; the first choice of OWASP's Password Storage Cheat Sheet. */
const COST = { log2N: 17, r: 8, p: 1 } as const;

/** Limits the memory that a file can request: 128 * 2^18 * 8 bytes are 256 MiB. */
const MAX_LOG2_N = 18;

const SALT_BYTES = 16;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

const FORM = /^scrypt:([0-9]{1,2}):8:1:([\w-]{22}):([\w-]{16}):([\w-]{43,128})$/;

export function isSealed(text: string): boolean {
  const [, log2N = ''] = FORM.exec(text) ?? [];
  return log2N !== '' && Number(log2N) >= 14 && Number(log2N) <= MAX_LOG2_N;
}

export async function seal(secret: Secret, passphrase: string, profile: PublicProfile): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const nonce = randomBytes(NONCE_BYTES);
  const key = await keyOf(passphrase, salt, COST.log2N);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(associatedData(profile));
  const sealed = Buffer.concat([cipher.update(secret.bytes()), cipher.final(), cipher.getAuthTag()]);
  const fields = [COST.log2N, COST.r, COST.p, ...[salt, nonce, sealed].map((bytes) => bytes.toString('base64url'))];
  return `scrypt:${fields.join(':')}`;
}

/** @returns undefined when the passphrase is wrong, or the text or the profile around it was changed */
export async function unseal(text: string, passphrase: string, profile: PublicProfile): Promise<Secret | undefined> {
  const [, log2N = '', salt = '', nonce = '', sealed = ''] = FORM.exec(text) ?? [];
  if (!isSealed(text)) return undefined;
  const key = await keyOf(passphrase, Buffer.from(salt, 'base64url'), Number(log2N));
  const bytes = Buffer.from(sealed, 'base64url');
  const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(nonce, 'base64url'), { authTagLength: TAG_BYTES })
    .setAAD(associatedData(profile))
    .setAuthTag(bytes.subarray(-TAG_BYTES));
  try {
    return Secret.fromBytes(Buffer.concat([decipher.update(bytes.subarray(0, -TAG_BYTES)), decipher.final()]));
  } catch {
    return undefined;
  }
}

function associatedData(profile: PublicProfile): Buffer {
  return Buffer.concat([Buffer.from('knock-otp sealed secret\0'), derivationInfo(profile, 0)]);
}

/** Keyboards may produce different Unicode forms of the same passphrase: NFC makes them equal. */
function keyOf(passphrase: string, salt: Uint8Array, log2N: number): Promise<Buffer> {
  const { r, p } = COST;
  const N = 2 ** log2N;
  return new Promise((resolve, reject) => {
    scrypt(passphrase.normalize('NFC'), salt, 32, { N, r, p, maxmem: 129 * N * r }, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}
