/** The library as another program uses it: by the package's name, built, with its types. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  allowedPorts,
  derivationKey,
  deriveFromProfile,
  deriveSequence,
  formatSequence,
  type Knock,
  parsePortRanges,
  parseProfileUri,
  Secret,
  timeStepAt,
} from 'knock-otp';

interface Vector {
  readonly name: string;
  readonly sequence: readonly string[];
}

const URI =
  'otpauth://totp/bastion1:laptop%40ssh?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=bastion1&v=1&door=ssh' +
  '&client=laptop&knocks=6&ports=1024-65535&exclude=&protocols=tcp&order=any&timeout=10&period=30&window=1&open=tcp%2F22';

test('a program that knows a profile URI derives the sequence that the server expects', () => {
  const profile = parseProfileUri(URI);
  const step = timeStepAt(59_000, profile.step);
  assert.equal(step, 1);
  const sequence: readonly Knock[] = deriveFromProfile(profile, step);
  const shape = { knocks: 6, ports: allowedPorts(parsePortRanges('1024-65535'), []), protocols: 'tcp' as const };
  const key = derivationKey(Secret.fromBase32('GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'));
  const identity = { server: 'bastion1', door: 'ssh', client: 'laptop', mode: 'totp' as const };
  assert.deepEqual(sequence, deriveSequence(key, identity, 1, shape));
  assert.match(formatSequence(sequence), /^\d+( \d+){5}$/);
});

test('a sequence bound to a source is another one', () => {
  const profile = parseProfileUri(URI);
  const bound = deriveFromProfile(profile, 1, Uint8Array.of(192, 0, 2, 7));
  assert.notDeepEqual(bound, deriveFromProfile(profile, 1));
});

test('the published vectors name sequences in the form that the library prints', () => {
  const path = new URL('../../vectors/sequence.json', import.meta.url);
  const { vectors } = JSON.parse(readFileSync(path, 'utf8')) as { vectors: readonly Vector[] };
  assert.ok(vectors.length >= 12);
  for (const { name, sequence } of vectors) for (const knock of sequence) assert.match(knock, /^\d+(:udp)?$/, name);
});
