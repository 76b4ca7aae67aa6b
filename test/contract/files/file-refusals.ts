/** What the tests of private files share: how a refusal is checked, other operating systems, and who may give files away. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { KnockError } from '../../../shared/errors.ts';

/** Root of a user namespace with a single user cannot give files to others. */
export function canGiveFilesAway(folder: string): boolean {
  const isRoot = process.getuid?.() === 0;
  return isRoot && spawnSync('chown', ['12345:12345', mkdtempSync(join(folder, 'given-'))]).status === 0;
}

/** Checks the code and some words of an error, and that it tells no port of a sequence. */
export function refusal(code: string, words: RegExp): (error: unknown) => true {
  return (error) => {
    assert(error instanceof KnockError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(`${error.message}; ${error.hint}`, words);
    assert.doesNotMatch(`${error.message} ${error.hint}`, /7000|8000/);
    return true;
  };
}

/** Checks the whole error: code, message and hint, as users read them. */
export function refused(code: string, message: string, hint?: string): (error: unknown) => true {
  return (error) => {
    assert(error instanceof KnockError, String(error));
    assert.deepEqual([error.code, error.message, error.hint], [code, message, hint]);
    return true;
  };
}

/** Runs `work` as if on another operating system. */
export async function onPlatform<Result>(platform: string, work: () => Promise<Result>): Promise<Result> {
  const kept = Object.getOwnPropertyDescriptor(process, 'platform');
  assert(kept !== undefined);
  Object.defineProperty(process, 'platform', { ...kept, value: platform });
  try {
    return await work();
  } finally {
    Object.defineProperty(process, 'platform', kept);
  }
}
