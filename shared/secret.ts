/**
 * A shared secret: reads base32 text, holds bytes, and never prints them by accident. Sizes follow RFC 4226 R6 (at
 * least 128 bits, 160 recommended); the maximum of 64 bytes is otplib's.
 */

import { MAX_SECRET_BYTES, MIN_SECRET_BYTES } from '@otplib/core';
import { ScureBase32Plugin } from '@otplib/plugin-base32-scure';
import { KnockError } from './errors.ts';

const base32 = new ScureBase32Plugin();
const REDACTED = '[secret]';

/** Size of a generated secret: 160 bits, RFC 4226 R6. */
export const GENERATED_SECRET_BYTES = 20;

/** Holds the bytes. Every conversion to text gives `[secret]`, so that no log line or error leaks it. */
export class Secret {
  readonly #bytes: Uint8Array;

  private constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** @throws KnockError SECRET_INVALID when shorter than 16 or longer than 64 bytes */
  static fromBytes(bytes: Uint8Array): Secret {
    if (bytes.length < MIN_SECRET_BYTES || bytes.length > MAX_SECRET_BYTES) {
      throw new KnockError(
        'SECRET_INVALID',
        `a secret has ${MIN_SECRET_BYTES} to ${MAX_SECRET_BYTES} bytes, found ${bytes.length}`,
        { hint: 'make a new one with knock-otpd enroll' },
      );
    }
    return new Secret(Uint8Array.from(bytes));
  }

  /** Reads base32 as in otpauth URIs: any case, spaces and padding optional. @throws KnockError SECRET_INVALID */
  static fromBase32(text: string): Secret {
    let bytes: Uint8Array;
    try {
      // Checks for ASCII first, because toUpperCase turns a dotless i and a long s into letters of the alphabet.
      if (!/^[A-Za-z2-7\s=-]*$/.test(text)) throw new RangeError('alphabet');
      bytes = base32.decode(text.replaceAll(/[\s=-]/g, '').toUpperCase());
    } catch {
      // Without the cause, because decoders quote their input.
      throw new KnockError('SECRET_INVALID', 'the secret is not base32 text', {
        hint: 'base32 has the letters A to Z and the digits 2 to 7',
      });
    }
    return Secret.fromBytes(bytes);
  }

  /** A copy of the key bytes. The only access besides {@link toBase32}. */
  bytes(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }

  /** Only for writing a secret file or a profile URI. */
  toBase32(): string {
    return base32.encode(this.#bytes, { padding: false });
  }

  toString(): string {
    return REDACTED;
  }

  toJSON(): string {
    return REDACTED;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return REDACTED;
  }
}
