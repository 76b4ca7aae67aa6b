/**
 * Completion scripts as they are written, for a small program with one of everything; that the shells do with them what they
 * should is test/contract/shells/completion's to show. `UPDATE_GOLDEN=1` writes what is seen, for a person to read in the diff.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { completionScript, SHELLS } from '../../shared/command-line/completion.ts';
import { smallCompletions, smallProgram } from '../support/client/small-program.ts';

for (const shell of SHELLS) {
  test(`the script for ${shell} is what people have read`, () => {
    const path = fileURLToPath(new URL(`../golden/completion/tea-pot.${shell}`, import.meta.url));
    const script = completionScript(shell, smallProgram(), smallCompletions);
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(path, script);
    assert.equal(script, readFileSync(path, 'utf8'));
  });
}
