/** The small parts of shared/: knocks, addresses, allowed ports, errors. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { addressBytes, addressKey, addressKeyOfBytes, formatAddress, isIpv4 } from '../../shared/address.ts';
import {
  allowedPorts,
  DEFAULT_EXCLUDE_PORTS,
  DEFAULT_PORT_RANGE,
  formatPortRanges,
  parsePortRanges,
} from '../../shared/allowed-ports.ts';
import { errorCodes, exitCodeOf, formatProblem, KnockError } from '../../shared/errors.ts';
import { formatKnock, formatSequence, knockOf, PAIR_COUNT, pairOf, parsePort } from '../../shared/knock.ts';
import { portArbitrary, portListArbitrary } from '../support/arbitraries.ts';
import { specAllowedPorts } from '../support/spec-client.ts';

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

  for (const text of ['', '0', '-5', '65536', '99999', '123456', '1.5', '0x50', ' 80', '80 ', '8e2', '٨٠']) {
    test(`has no port ${JSON.stringify(text)}`, () => assert.equal(parsePort(text), undefined));
  }
  test('has the ports 1 to 65535', () => {
    assert.equal(parsePort('1'), 1);
    assert.equal(parsePort('65535'), 65535);
  });
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

describe('allowed ports', () => {
  test('are the same list by the product and by the SPEC', () => {
    fc.assert(
      fc.property(portListArbitrary, fc.oneof(fc.constant(''), portListArbitrary), (range, exclude) => {
        const ports = allowedPorts(parsePortRanges(range), parsePortRanges(exclude));
        assert.deepEqual(ports, specAllowedPorts(range, exclude));
      }),
      { numRuns: 50 },
    );
  });

  test('have one canonical spelling, which reads back as the same ranges', () => {
    fc.assert(
      fc.property(portListArbitrary, portArbitrary, (text, port) => {
        const ranges = parsePortRanges(text);
        const spelled = formatPortRanges(ranges);
        assert.deepEqual(parsePortRanges(spelled), ranges);
        assert.equal(formatPortRanges(parsePortRanges(spelled)), spelled);
        for (const [at, range] of ranges.entries()) {
          assert.ok(range.from <= range.to);
          assert.ok(at === 0 || (ranges[at - 1]?.to ?? 0) + 1 < range.from, 'disjoint, ascending, not adjacent');
        }
        assert.equal(
          ranges.some(({ from, to }) => from <= port && port <= to),
          allowedPorts(ranges, []).includes(port),
        );
      }),
      { numRuns: 50 },
    );
    assert.equal(formatPortRanges(parsePortRanges(' 7 - 9 ,8-12,13,, 80')), '7-13,80');
    assert.deepEqual(parsePortRanges(''), []);
  });

  test('by default are 64500', () => {
    const ports = allowedPorts(parsePortRanges(DEFAULT_PORT_RANGE), parsePortRanges(DEFAULT_EXCLUDE_PORTS));
    assert.equal(ports.length, 64_500);
  });

  for (const text of ['0', '65536', '9-7', '1-2-3', 'ssh', '-5', '1-', '1;2', '1–2']) {
    test(`refuse ${JSON.stringify(text)} with a hint`, () => {
      assert.throws(
        () => parsePortRanges(`80,${text}`),
        (error: unknown) => {
          assert.ok(error instanceof KnockError);
          assert.equal(error.code, 'CONFIG_INVALID');
          assert.match(error.hint ?? '', /1024-65535/);
          return true;
        },
      );
    });
  }
});

describe('an error', () => {
  test('gives exit code 2 exactly where words or files of the user are wrong', () => {
    const two = errorCodes.filter((code) => exitCodeOf(new KnockError(code, 'x')) === 2);
    assert.deepEqual(two, [
      'USAGE',
      'CONFIG_INVALID',
      'PROFILE_INVALID',
      'PROFILE_MISSING',
      'SECRET_INVALID',
      'INSECURE_FILE',
    ]);
    assert.equal(exitCodeOf(new Error('x')), 1);
    assert.equal(exitCodeOf(undefined), 1);
  });

  test('keeps code, hint, cause and problems', () => {
    const cause = new Error('inner');
    const error = new KnockError('STORE', 'no', { hint: 'do', cause, problems: [{ message: 'one' }] });
    assert.deepEqual([error.code, error.hint, error.cause, error.problems.length], ['STORE', 'do', cause, 1]);
    assert.equal('cause' in new KnockError('STORE', 'no'), false);
  });

  test('prints a problem with the place as far as it is known', () => {
    const problem = { section: 'ssh', key: 'knocks', line: 12, message: '40 is above 32', hint: 'use 6' };
    assert.equal(formatProblem(problem, '/etc/k.conf'), '/etc/k.conf:12: [ssh] knocks: 40 is above 32 (hint: use 6)');
    assert.equal(formatProblem({ message: 'no doors' }), 'no doors');
    assert.equal(formatProblem({ line: 3, message: 'bad' }), '3: bad');
    assert.equal(formatProblem({ section: 'ssh', message: 'bad' }, 'f'), 'f: [ssh]: bad');
  });
});
