/** A secret is never printed by accident, and bad secrets are refused. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { format, inspect } from 'node:util';
import { serialize } from 'node:v8';
import fc from 'fast-check';
import { authenticatorCode } from '../../../shared/authenticator-code.ts';
import { KnockError } from '../../../shared/errors.ts';
import { Secret } from '../../../shared/secret.ts';
import { secretBytesArbitrary } from '../../support/core/arbitraries.ts';

const TEXT = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';

describe('a secret', () => {
  test('of any allowed bytes survives base32', () => {
    fc.assert(
      fc.property(secretBytesArbitrary, (bytes) => {
        const secret = Secret.fromBytes(bytes);
        assert.deepEqual(secret.bytes(), bytes);
        assert.deepEqual(Secret.fromBase32(secret.toBase32()).bytes(), bytes);
        assert.doesNotMatch(secret.toBase32(), /[^A-Z2-7]/);
      }),
    );
  });

  test('is read in either case, with spaces, dashes and padding', () => {
    const secret = Secret.fromBase32(' gezd gnbv-GY3T QOJQ gezdgnbvgy3tqojq==== \n');
    assert.equal(Buffer.from(secret.bytes()).toString(), '12345678901234567890');
  });

  test('is turned into text by nothing but toBase32', () => {
    const secret = Secret.fromBase32(TEXT);
    const holder = { nested: [secret], map: new Map([['secret', secret]]) };
    const texts = [
      String(secret),
      `${secret}`,
      ['a', secret].join(),
      JSON.stringify(holder),
      inspect(holder, { depth: null, showHidden: true, customInspect: true }),
      inspect(secret, { customInspect: false, showHidden: true, depth: null }),
      format('%s %o %O %j', secret, secret, secret, secret),
      serialize({ ...secret }).toString('latin1'),
      Object.entries(secret).join(),
      Reflect.ownKeys(secret).join(),
    ];
    for (const text of texts) {
      assert.doesNotMatch(text, /GEZDG|gezdg|12345|49,\s*50|3132/);
    }
    assert.equal(String(secret), '[secret]');
    assert.equal(JSON.stringify([secret]), '["[secret]"]');
    assert.equal(inspect([secret]), '[ [secret] ]');
  });

  test('is not changed by changing the bytes that it came from or gave out', () => {
    const bytes = new Uint8Array(20).fill(7);
    const secret = Secret.fromBytes(bytes);
    bytes.fill(0);
    secret.bytes().fill(0);
    assert.deepEqual(secret.bytes(), new Uint8Array(20).fill(7));
  });

  for (const length of [0, 1, 15, 65, 1000]) {
    test(`of ${length} bytes is refused`, () => {
      assert.throws(() => Secret.fromBytes(new Uint8Array(length)), {
        code: 'SECRET_INVALID',
        message: `a secret has 16 to 64 bytes, found ${length}`,
        hint: 'make a new one with knock-otpd enroll',
      });
    });
  }

  test('of the shortest and the longest length is one', () => {
    for (const length of [16, 64]) assert.equal(Secret.fromBytes(new Uint8Array(length)).bytes().length, length);
  });

  for (const [title, text] of [
    ['digits that base32 lacks', 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ1'],
    ['a digit that base32 lacks at its beginning', '1EZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'],
    ['punctuation', 'GEZDGNBVGY3TQOJQ/GEZDGNBVGY3TQOJQ'],
    ['a dotless i, which upper case would turn into I', 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ\u0131'],
    ['a long s, which upper case would turn into S', 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ\u017f'],
    ['unused bits that are set', 'GEZDGNBVGY3TQOJQGEZDGNBVGB'],
    ['an impossible length', `${TEXT}A`],
  ] as const) {
    test(`with ${title} is refused without being quoted`, () => {
      assert.throws(
        () => Secret.fromBase32(text),
        (error: unknown) => {
          assert.ok(error instanceof KnockError);
          assert.equal(error.code, 'SECRET_INVALID');
          assert.equal(error.message, 'the secret is not base32 text');
          assert.equal(error.hint, 'base32 has the letters A to Z and the digits 2 to 7');
          assert.doesNotMatch(
            inspect(error, { depth: null, showHidden: true }).replaceAll(/^\s+at .*$/gm, ''),
            /GEZDG/,
          );
          return true;
        },
      );
    });
  }

  test('gives six digits to an authenticator by default', () => {
    assert.equal(authenticatorCode(Secret.fromBase32(TEXT), 0), '755224');
    assert.equal(authenticatorCode(Secret.fromBase32(TEXT), 0, { digits: 8 }), '84755224');
  });
});
