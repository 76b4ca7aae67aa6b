/** Any file of random lines: exactly the used line is struck, and no other byte changes; in memory and on disk. */
import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { OneTimeFile } from '../../../shared/files/one-time-file.ts';
import { findLine, isUnspent, parseSequencesFile, struckBytes } from '../../../shared/formats/sequences-file.ts';
import { anyFile, scratchFolder, writeSequences } from '../../support/core/sequence-files.ts';

const DISK_RUNS = process.env['KNOCK_OTP_LONG'] === undefined ? 60 : 600;

/** Naive strike: in the lines as text, # replaces the first blank or is put before the first digit. */
function struckText(text: string, number: number): string {
  const lines = text.split('\n');
  lines[number - 1] = (lines[number - 1] ?? '').replace(/^[ \t]?/, '#');
  return lines.join('\n');
}

test('when any line of any file is struck then no other byte changes, and every other line stays what it was', () => {
  fc.assert(
    fc.property(anyFile, fc.nat(), (bytes, pick) => {
      const lines = parseSequencesFile(bytes);
      const unspent = lines.filter(isUnspent);
      const used = unspent[pick % Math.max(unspent.length, 1)];
      if (used === undefined) return;
      const after = struckBytes(bytes, [used]);
      assert.equal(Buffer.from(after).toString('latin1'), struckText(bytes.toString('latin1'), used.number));
      const then = parseSequencesFile(after);
      assert.equal(findLine(then, used)?.number, used.number);
      assert.deepEqual(
        then.map((line) => ({ ...line, offset: 0, length: 0 })),
        lines.map((line) => ({
          ...line,
          ...(line.number === used.number ? { kind: 'struck' } : {}),
          offset: 0,
          length: 0,
        })),
      );
    }),
    { numRuns: 3000 },
  );
});

test('when any bytes are read as a file then every byte belongs to one line and nothing throws', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      const lines = parseSequencesFile(bytes);
      assert.equal(lines.length, Buffer.from(bytes).toString('latin1').split('\n').length - (endsOpen(bytes) ? 0 : 1));
      for (const [at, { offset }] of lines.entries()) {
        assert(at === 0 ? offset === 0 : bytes[offset - 1] === 0x0a);
      }
    }),
  );
});

test('when any file on disk is used up then each strike changes one line and keeps the mode', async () => {
  const folder = scratchFolder();
  let made = 0;
  await fc.assert(
    fc.asyncProperty(anyFile, async (bytes) => {
      made += 1;
      const path = writeSequences(join(folder, `file-${made}`), bytes);
      const file = new OneTimeFile(path);
      let expected = bytes.toString('latin1');
      for (const used of parseSequencesFile(bytes).filter(isUnspent).slice(0, 4)) {
        assert.equal((await file.take())?.line.number, used.number);
        expected = struckText(expected, used.number);
        assert.equal(readFileSync(path, 'latin1'), expected);
        assert.equal(statSync(path).mode & 0o7777, 0o600);
      }
    }),
    { numRuns: DISK_RUNS },
  );
});

function endsOpen(bytes: Uint8Array): boolean {
  return bytes.length > 0 && bytes.at(-1) !== 0x0a;
}
