/** Files of one-time sequences for tests: on disk, and as arbitraries of fast-check. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import fc from 'fast-check';

/** A folder that goes with the test file. */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'knock-otp-lines-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes a file as the generator would: mode 0600. */
export function writeSequences(path: string, content: string | Uint8Array): string {
  writeFileSync(path, content, { mode: 0o600 });
  return path;
}

const blanks = fc.stringMatching(/^[ \t]{0,3}$/);
const port = fc.integer({ min: 1, max: 65535 });
const knock = fc
  .tuple(blanks, port, fc.constantFrom('', ':tcp', ':udp', ' : UDP', ':Tcp'), blanks)
  .map((parts) => parts.join(''));
/** Few ports, so that sequences repeat and share their beginnings. */
const commonKnock = fc.constantFrom('7000', '8000:udp', '9000', '700');

export const sequenceText = fc.oneof(
  fc.array(knock, { minLength: 1, maxLength: 8 }),
  fc.array(commonKnock, { minLength: 1, maxLength: 3 }),
);

export const sequenceLine = fc.tuple(blanks, sequenceText).map(([lead, knocks]) => lead + knocks.join(','));

export const otherLine = fc.oneof(
  fc.constantFrom(
    '',
    ' ',
    '\t',
    '#',
    '#7000,8000',
    ' # 7000',
    '70000',
    '7000,,8000',
    '7000:sctp',
    'abc',
    '-5',
    '7000x',
  ),
  fc.constantFrom('\u00ef\u00bb\u00bf7000', '7000,8000\r9000', '0', '7000,', '#000,8000', ' 7000 8000'),
  fc.stringMatching(/^#[ -~]{0,20}$/),
  fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes).toString('latin1').replaceAll('\n', '')),
);

/** The text is latin1: one character a byte. */
export const anyFile = fc
  .tuple(
    fc.array(fc.tuple(fc.oneof(sequenceLine, sequenceLine, otherLine), fc.constantFrom('\n', '\n', '\r\n')), {
      maxLength: 20,
    }),
    fc.boolean(),
  )
  .map(([lines, endsOpen]) => {
    const text = lines.map(([line, end]) => line + end).join('');
    return Buffer.from(endsOpen ? text.replace(/\r?\n$/, '') : text, 'latin1');
  });
