/**
 * The codes that authenticator apps show, by otplib. A module of its own because only comparing two devices needs it,
 * and whoever knocks should not wait until it is loaded.
 */
import { generateSync, NobleCryptoPlugin } from 'otplib';
import type { Secret } from './secret.ts';

const crypto = new NobleCryptoPlugin();

export interface CodeOptions {
  readonly digits?: 6 | 8;
  readonly algorithm?: 'sha1' | 'sha256' | 'sha512';
}

/**
 * The code an authenticator app shows for this factor (RFC 4226 section 5.3). No door accepts it: six digits are 20
 * bits. It is there to compare clock and secret of two devices, see `knock-otp show --code`.
 */
export function authenticatorCode(secret: Secret, factor: number, options: CodeOptions = {}): string {
  return generateSync({
    strategy: 'hotp',
    secret: secret.bytes(),
    counter: factor,
    digits: options.digits ?? 6,
    algorithm: options.algorithm ?? 'sha1',
    crypto,
  });
}
