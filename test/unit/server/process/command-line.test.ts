/** A command line of a door: how it becomes arguments, where the address stands, and what is refused. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { argumentsFor, parseCommandLine } from '../../../../server/process/command-line.ts';
import { addressKey, addressKeyOfBytes } from '../../../../shared/address.ts';
import { KnockError } from '../../../../shared/errors.ts';

const SOURCE = addressKey('192.0.2.7') ?? assert.fail();

describe('a command line', () => {
  test('when it has quotes then they keep words together, and the address may stand anywhere in them', () => {
    const command = parseCommandLine(
      `/usr/sbin/iptables -A INPUT -s %IP%/32 -m comment --comment="by %IP% of '%IP%'" ''`,
    );
    assert.equal(command.program, '/usr/sbin/iptables');
    assert.deepEqual(argumentsFor(command, SOURCE).slice(2), [
      '-s',
      '192.0.2.7/32',
      '-m',
      'comment',
      "--comment=by 192.0.2.7 of '192.0.2.7'",
      '',
    ]);
  });

  for (const line of [
    '',
    '   ',
    "''",
    'a; b',
    'a && b',
    'a | b',
    'a > f',
    'a `b`',
    'a $HOME',
    'a *',
    'a \\ b',
    'a "b',
    "a 'b",
    '%IP% a',
    'a\0b',
  ]) {
    test(`when it is ${JSON.stringify(line)} then it is refused with a hint`, () => {
      assert.throws(
        () => parseCommandLine(line),
        (error) => error instanceof KnockError && error.code === 'CONFIG_INVALID' && error.hint !== undefined,
      );
    });
  }

  test('whatever the address, it stays within its argument and holds no sign that means something', () => {
    const command = parseCommandLine('program %IP% x%IP%y');
    const bytes = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
    );
    fc.assert(
      fc.property(bytes, (address) => {
        const found = argumentsFor(command, addressKeyOfBytes(address));
        assert.equal(found.length, 2);
        assert.match(found.join(' '), /^[0-9a-f.:]+ x[0-9a-f.:]+y$/);
      }),
    );
  });
});
