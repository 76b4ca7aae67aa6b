/** The small parts of shared/: knocks, moving factors, addresses, errors. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { addressBytes, addressKey, addressKeyOfBytes, formatAddress, isIpv4 } from '../../../shared/address.ts';
import { type ErrorCode, errorCodes, exitCodeOf, formatProblem, KnockError } from '../../../shared/errors.ts';
import { formatKnock, formatSequence, isUdp, knockOf, PAIR_COUNT, pairOf, parsePort } from '../../../shared/knock.ts';
import { factorBytes, timeStepAt, timeStepStart } from '../../../shared/moving-factor.ts';
import { portArbitrary } from '../../support/core/arbitraries.ts';

describe('a knock', () => {
  test('survives being packed into a pair, and pairs are distinct', () => {
    fc.assert(
      fc.property(fc.constantFrom('tcp' as const, 'udp' as const), portArbitrary, (protocol, port) => {
        const pair = pairOf(protocol, port);
        assert.ok(pair > 0 && pair < PAIR_COUNT);
        assert.deepEqual(knockOf(pair), { protocol, port });
      }),
    );
    assert.notEqual(pairOf('tcp', 53), pairOf('udp', 53));
  });

  test('is written as knockd writes it', () => {
    assert.equal(formatKnock({ protocol: 'tcp', port: 8000 }), '8000');
    assert.equal(formatSequence([knockOf(7), knockOf(0x10000 + 53)]), '7 53:udp');
  });

  // No door uses port 0, but packets to it can arrive and become keys of tables.
  test('to UDP port 0 is no knock to a TCP port', () => {
    assert.deepEqual([isUdp(0xffff), isUdp(0x10000)], [false, true]);
    assert.deepEqual(knockOf(pairOf('udp', 0)), { protocol: 'udp', port: 0 });
    assert.deepEqual(knockOf(0xffff), { protocol: 'tcp', port: 65_535 });
  });

  for (const text of ['', '0', '-5', '65536', '99999', '123456', '000080', '1.5', '0x50', ' 80', '80 ', '8e2', '٨٠']) {
    test(`has no port ${JSON.stringify(text)}`, () => assert.equal(parsePort(text), undefined));
  }
  test('has the ports 1 to 65535', () => {
    assert.equal(parsePort('1'), 1);
    assert.equal(parsePort('65535'), 65535);
  });
});

describe('a time step', () => {
  for (const [wallMs, stepSeconds, step, why] of [
    [0, 30, 0, 'T0 is 0'],
    [29_999, 30, 0, 'the last millisecond of the first'],
    [30_000, 30, 1, 'the first of the second'],
    [1_800_000_012_345, 30, 60_000_000, 'the one of the SPEC'],
    [3_599_999, 3600, 0, 'the longest step, whole seconds only'],
    [1999, 1, 1, 'the shortest one, whole seconds only'],
  ] as const) {
    test(`at ${wallMs} ms of ${stepSeconds} s is ${step} (${why})`, () => {
      assert.equal(timeStepAt(wallMs, stepSeconds), step);
    });
  }

  test('begins where the one before it ends', () => {
    assert.equal(timeStepStart(60_000_000, 30), 1_800_000_000_000);
    assert.equal(timeStepStart(0, 30), 0);
    for (const step of [1, 7, 60_000_001]) {
      assert.equal(timeStepAt(timeStepStart(step, 45), 45), step);
      assert.equal(timeStepAt(timeStepStart(step, 45) - 1, 45), step - 1);
    }
  });
});

describe('a moving factor', () => {
  test('is eight bytes, the highest first', () => {
    assert.deepEqual([...factorBytes(0)], [0, 0, 0, 0, 0, 0, 0, 0]);
    assert.deepEqual([...factorBytes(0x1_0203_0405)], [0, 0, 0, 1, 2, 3, 4, 5]);
    assert.deepEqual([...factorBytes(2 ** 53 - 1)], [0, 0x1f, 255, 255, 255, 255, 255, 255]);
  });

  for (const [factor, why] of [
    [-1, 'it would be the bytes of 2^64 - 1'],
    [0.5, 'there is none between two'],
    [2 ** 53, 'its neighbour is the same number'],
    [Number.POSITIVE_INFINITY, 'it is no number of steps'],
    [Number.NaN, 'it is none at all'],
  ] as const) {
    test(`is not ${factor} (${why})`, () => {
      const message = `a moving factor is an integer from 0 to 2^53 - 1, found ${factor}`;
      assert.throws(() => factorBytes(factor), { name: 'KnockError', code: 'CONFIG_INVALID', message });
    });
  }
});

describe('an address', () => {
  test('of any 4 or 16 bytes survives text and key', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
    );
    fc.assert(
      fc.property(bytes, (original) => {
        const key = addressKeyOfBytes(original);
        assert.equal(key.length, 16);
        assert.equal(addressKey(formatAddress(key)), key);
        if (!isIpv4(key) || original.length === 4) assert.deepEqual(addressBytes(key), original);
      }),
    );
  });

  for (const [text, printed] of [
    ['192.0.2.7', '192.0.2.7'],
    ['2001:DB8:0:0:0:0:0:7', '2001:db8::7'],
    ['2001:db8:0:1:0:0:0:1', '2001:db8:0:1::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['::ffff:c000:207', '192.0.2.7'],
    ['::', '::'],
  ] as const) {
    test(`${text} is printed as ${printed}`, () => {
      const key = addressKey(text);
      assert.ok(key !== undefined);
      assert.equal(formatAddress(key), printed);
      assert.equal(isIpv4(key), !printed.includes(':'));
    });
  }

  for (const text of [
    '',
    '1',
    '1.2.3',
    '256.1.1.1',
    '010.1.1.1',
    '0x7f.1',
    '1::2::3',
    'fe80::g',
    'a.b.c.d',
    '1.2.3.4/8',
    '[::1]',
    ' ::1',
  ]) {
    test(`${JSON.stringify(text)} is none`, () => assert.equal(addressKey(text), undefined));
  }
});

describe('an error', () => {
  const mistakes: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
    'USAGE',
    'CONFIG_INVALID',
    'PROFILE_INVALID',
    'PROFILE_MISSING',
    'SECRET_INVALID',
    'INSECURE_FILE',
  ]);
  for (const code of errorCodes) {
    const exit = mistakes.has(code) ? 2 : 1;
    test(`of ${code} ends a program with ${exit}`, () => assert.equal(exitCodeOf(new KnockError(code, 'x')), exit));
  }

  test('that is not ours ends a program with 1', () => {
    assert.equal(exitCodeOf(new Error('x')), 1);
    assert.equal(exitCodeOf({ code: 'USAGE' }), 1);
    assert.equal(exitCodeOf(undefined), 1);
  });

  test('keeps code, hint, cause and problems', () => {
    const cause = new Error('inner');
    const error = new KnockError('STORE', 'no', { hint: 'do', cause, problems: [{ message: 'one' }] });
    assert.deepEqual([error.code, error.hint, error.cause, error.problems.length], ['STORE', 'do', cause, 1]);
    assert.equal(`${error}`, 'KnockError: no');
    const plain = new KnockError('STORE', 'no');
    assert.deepEqual(['cause' in plain, plain.hint, plain.problems], [false, undefined, []]);
  });

  test('prints a problem with the place as far as it is known', () => {
    const problem = { section: 'ssh', key: 'knocks', line: 12, message: '40 is above 32', hint: 'use 6' };
    assert.equal(formatProblem(problem, '/etc/k.conf'), '/etc/k.conf:12: [ssh] knocks: 40 is above 32 (hint: use 6)');
    assert.equal(formatProblem({ message: 'no doors' }), 'no doors');
    assert.equal(formatProblem({ line: 3, message: 'bad' }), '3: bad');
    assert.equal(formatProblem({ section: 'ssh', message: 'bad' }, 'f'), 'f: [ssh]: bad');
    assert.equal(formatProblem({ key: 'knocks', message: 'bad' }, 'f'), 'f: knocks: bad');
    assert.equal(formatProblem({ file: 'laptop.client', line: 2, message: 'bad' }, 'f'), 'laptop.client:2: bad');
  });
});
