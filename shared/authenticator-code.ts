/**
 * The codes that authenticator apps show, by otplib. A module of its own, because only the comparison of two devices
 * needs it: a knock should not wait for otplib to load.
 */
import { generateSync, NobleCryptoPlugin } from 'otplib';
import type { Secret } from './secret.ts';

const crypto = new NobleCryptoPlugin();

export interface CodeOptions {
  readonly digits?: 6 | 8;
  readonly algorithm?: 'sha1' | 'sha256' | 'sha512';
}

/**
 * The code that an authenticator app shows for this factor (RFC 4226 section 5.3). No door accepts it: six digits are
 * 20 bits. Users compare clock and secret of two devices with it, see `knock-otp show --code`.
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
