import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { checkReport } from '../../../../server/config/check/check-report.ts';
import { describeCheck } from '../../../../server/config/check/describe-check.ts';
import { parseClient } from '../../../../server/config/clients/client-document.ts';
import { loadServer } from '../../../../server/config/load-server.ts';
import { KnockError } from '../../../../shared/errors.ts';
import { Secret } from '../../../../shared/secret.ts';
import { configDirectory, doorText, readText } from '../../../support/core/config-text.ts';

const secret = fc.uint8Array({ minLength: 16, maxLength: 64 }).map((bytes) => Secret.fromBytes(bytes));

/** Lines with the secret in a wrong place; `S` is the secret. */
const carelessLine = fc.constantFrom(
  'secret = S',
  'secret = S1',
  'secret S',
  'S',
  'S = S',
  'S====',
  'seecret = S',
  '= S',
  '[S]',
  '[S',
  '[ssh] S',
  'secret = "S"',
  'secret = S\nsecret = S',
  'S\nS',
  '[S]\n[S]',
  'secret = S\0',
  'revoked = S',
  'step = S',
);
const carelessText = fc
  .array(fc.oneof(carelessLine, fc.constantFrom('[ssh]', '[web]', '', '# note')), { maxLength: 8 })
  .map((lines) => lines.join('\n'));

/** Every text that a problem, an error or a report becomes for its reader. */
function shown(...values: readonly unknown[]): string {
  return values
    .flatMap((value) => [
      inspect(value, { depth: 20, maxStringLength: null }),
      JSON.stringify(value),
      value instanceof Error ? `${value.message} ${value.stack}` : '',
    ])
    .join('\n');
}

function assertHidden(output: string, marker: Secret): void {
  const base32 = marker.toBase32();
  // A part of the secret does harm too: no part that is too long to appear by chance.
  for (const form of [base32.slice(0, 16), base32.slice(-16), Buffer.from(marker.bytes()).toString('hex')]) {
    assert.ok(!output.toUpperCase().includes(form.toUpperCase()), 'the secret is in the output');
  }
}

test('when a secret stands anywhere in a client file then no problem, document or error shows it', () => {
  fc.assert(
    fc.property(carelessText, secret, (text, marker) => {
      const read = parseClient(text.replaceAll('S', marker.toBase32()), ['ssh', 'web']);
      assertHidden(shown(read.problems, read), marker);
    }),
    { numRuns: 500 },
  );
});

test('when a secret stands in the configuration, which is no place for it, then no problem shows it', () => {
  const misplaced = fc.constantFrom('secret = S', 'S', 'S===', 'sequence = S', 'command = curl -u S', '; secret = S');
  fc.assert(
    fc.property(fc.array(misplaced, { maxLength: 4 }), secret, (lines, marker) => {
      const text = doorText('ssh', ...lines).replaceAll('S', marker.toBase32());
      const { problems, warnings } = readText(text);
      assertHidden(shown(problems, warnings), marker);
    }),
    { numRuns: 300 },
  );
});

test('when a client file is sound or not then neither the error nor the report shows its secret', async () => {
  const directory = await configDirectory(
    doorText('ssh') + doorText('web', 'open = nftables tcp/443', 'clients = laptop'),
  );
  let reports = 0;
  let errors = 0;
  const sound = fc.constant('[ssh]\nsecret = S\n[web]\nsecret = S\n');
  try {
    await fc.assert(
      fc.asyncProperty(fc.oneof(sound, carelessText), secret, async (text, marker) => {
        await directory.putClient('laptop.client', text.replaceAll('S', marker.toBase32()));
        try {
          const loaded = await loadServer(directory.file);
          reports += 1;
          assertHidden(shown(describeCheck(loaded), checkReport(loaded), loaded), marker);
        } catch (error) {
          assert.ok(error instanceof KnockError, String(error));
          errors += 1;
          assertHidden(shown(error, error.problems, error.cause), marker);
        }
      }),
      { numRuns: 120 },
    );
  } finally {
    await directory.remove();
  }
  assert.ok(reports > 10 && errors > 10, `${reports} reports and ${errors} errors: one side is not tested`);
});

test('when any text is read as a configuration then nothing is thrown and every problem has words', () => {
  const line = fc.oneof(
    fc.constantFrom(
      '[options]',
      '[ssh]',
      '[web]',
      'otp = totp',
      'open = nftables tcp/22',
      'knocks = 32',
      'clients = a',
    ),
    fc.constantFrom('port_range = 1-3', 'step', 'window =', 'timeout = 5', 'seq_timeout = 5', '__proto__ = 1', '[x y]'),
    fc.string({ maxLength: 20, unit: 'binary' }),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 20 }), (lines) => {
      const { problems, config } = readText(lines.join('\n'));
      for (const { message } of problems) assert.match(message, /^\S.*[^.]$/su);
      if (problems.length === 0) assert.ok(config.doors.length > 0);
    }),
    { numRuns: 1000 },
  );
});
