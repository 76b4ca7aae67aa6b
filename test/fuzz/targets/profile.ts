/** Profile URIs, which people paste from anywhere: an equal profile, or one error without a secret in it. */
import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { allowedPorts } from '../../../shared/allowed-ports.ts';
import { KnockError } from '../../../shared/errors.ts';
import { formatProfileUri, type Profile, parseProfileUri } from '../../../shared/formats/profile-uri.ts';
import type { Target } from '../target.ts';

const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';

function run(input: Uint8Array): void {
  const text = new TextDecoder().decode(input);
  let profile: Profile;
  try {
    profile = parseProfileUri(text);
  } catch (error) {
    assert.ok(error instanceof KnockError && error.code === 'PROFILE_INVALID', inspect(error));
    assert.ok(error.message.length < 300, 'the error is as long as who wrote the URI wanted');
    assert.ok(!/\p{Cc}/u.test(error.message), 'the error carries control characters');
    const shown = inspect(error).toUpperCase();
    assert.ok(!shown.includes(SECRET.slice(0, 16)) && !shown.includes(SECRET.slice(-16)), 'the error shows the secret');
    return;
  }
  const uri = formatProfileUri(profile);
  const again = parseProfileUri(uri);
  assert.equal(formatProfileUri(again), uri);
  assert.equal(again.secret.toBase32(), profile.secret.toBase32());
  assert.deepEqual({ ...again, secret: '' }, { ...profile, secret: '' });
  assert.ok(profile.knocks >= 1 && profile.knocks <= 32);
  assert.ok(allowedPorts(profile.range, profile.exclude).length >= profile.knocks);
}

const tail = `secret=${SECRET}&issuer=bastion1&v=1&door=ssh&client=laptop&knocks=6&ports=1024-65535,80&exclude=1900&protocols=`;
const uris = [
  `otpauth://totp/bastion1:laptop%40ssh?${tail}tcp&order=any&timeout=10&period=30&window=1&open=tcp%2F22`,
  `otpauth://hotp/bastion1:laptop%40ssh?${tail}both&order=strict&timeout=10&counter=7&open=&host=2001%3Adb8%3A%3A1`,
];

export const target: Target = { seeds: uris.map((uri) => Buffer.from(uri)), maxLength: 600, run };
