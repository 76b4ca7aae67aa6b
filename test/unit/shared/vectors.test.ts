/** The frozen vectors against the code that client and server run. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, test } from 'node:test';
import { addressBytes, addressKey } from '../../../shared/address.ts';
import { allowedPorts, parsePortRanges } from '../../../shared/allowed-ports.ts';
import { authenticatorCode } from '../../../shared/authenticator-code.ts';
import {
  DERIVATION_LABEL,
  derivationInfo,
  derivationKey,
  deriveAttempt,
  deriveSequence,
  type Identity,
} from '../../../shared/derive.ts';
import { formatKnock } from '../../../shared/knock.ts';
import { factorBytes, timeStepAt } from '../../../shared/moving-factor.ts';
import { Secret } from '../../../shared/secret.ts';
import { rfc4226, rfc6238, type SequenceVector, sequenceVectors } from '../../support/core/vectors.ts';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const secretOf = (text: string) => Secret.fromBytes(Buffer.from(text, 'hex'));

function identityOf({ server, door, client, mode, boundSource }: SequenceVector): Identity {
  const source = boundSource === undefined ? undefined : addressKey(boundSource);
  return { server, door, client, mode, ...(source === undefined ? {} : { boundSource: addressBytes(source) }) };
}

describe('sequence vectors', () => {
  test('there are at least twelve, with unequal names, under the label of version 1', () => {
    assert.equal(sequenceVectors.label, DERIVATION_LABEL);
    assert.ok(sequenceVectors.vectors.length >= 12);
    assert.equal(new Set(sequenceVectors.vectors.map(({ name }) => name)).size, sequenceVectors.vectors.length);
  });

  for (const vector of sequenceVectors.vectors) {
    test(vector.name, () => {
      const key = derivationKey(secretOf(vector.secretHex));
      const identity = identityOf(vector);
      const ports = allowedPorts(parsePortRanges(vector.ports), parsePortRanges(vector.exclude));
      assert.equal(hex(key), vector.prkHex);
      assert.equal(hex(derivationInfo(identity, vector.factor)), vector.infoHex);
      assert.equal(ports.length, vector.allowedPorts);
      const { knocks, protocols, factor } = vector;
      const sequence = deriveSequence(key, identity, factor, { knocks, ports, protocols });
      assert.deepEqual(sequence.map(formatKnock), vector.sequence);
    });
  }

  for (const vector of sequenceVectors.attempts) {
    test(vector.name, () => {
      const source = addressKey(vector.boundSource);
      assert.ok(source !== undefined);
      const { server, door, client, mode, factor, knocks, protocols } = vector;
      const ports = allowedPorts(parsePortRanges(vector.ports), parsePortRanges(vector.exclude));
      const key = derivationKey(secretOf(vector.secretHex));
      const shape = { knocks, ports, protocols };
      const knocking = deriveAttempt(key, { server, door, client, mode }, factor, shape, addressBytes(source));
      assert.deepEqual(knocking.map(formatKnock), vector.knocking);
    });
  }

  test('names that are cut elsewhere give other sequences', () => {
    const cut = sequenceVectors.vectors.filter(({ name }) => name.includes('where they are cut'));
    assert.equal(cut.length, 2);
    assert.notDeepEqual(cut[0]?.sequence, cut[1]?.sequence);
  });
});

describe('RFC 4226 appendix D', () => {
  const secret = secretOf(rfc4226.secretHex);
  for (const { counter, hmacHex, truncated, code } of rfc4226.vectors) {
    test(`counter ${counter}`, () => {
      const mac = createHmac('sha1', secret.bytes()).update(factorBytes(counter)).digest();
      assert.equal(mac.toString('hex'), hmacHex);
      assert.equal(mac.readUInt32BE((mac[19] ?? 0) & 0xf) & 0x7fffffff, truncated);
      assert.equal(authenticatorCode(secret, counter), code);
    });
  }
});

describe('RFC 6238 appendix B', () => {
  for (const vector of rfc6238.vectors) {
    test(`at ${vector.unix}`, () => {
      const step = timeStepAt(vector.unix * 1000, rfc6238.step);
      assert.equal(hex(factorBytes(step)), vector.timeStepHex.toLowerCase());
      for (const algorithm of ['sha1', 'sha256', 'sha512'] as const) {
        const secret = secretOf(rfc6238.secretHex[algorithm]);
        assert.equal(authenticatorCode(secret, step, { digits: 8, algorithm }), vector[algorithm]);
      }
    });
  }

  test('a step lasts from its first to its last millisecond', () => {
    assert.equal(timeStepAt(59_999, 30), 1);
    assert.equal(timeStepAt(60_000, 30), 2);
  });
});
