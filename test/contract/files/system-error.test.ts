/** Errors of the operating system: their codes, and the hints that users read. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { codeOf, storeError } from '../../../shared/files/system-error.ts';
import { refused } from './file-refusals.ts';

const ENOENT = 'there is no such file or folder';

describe('an error of the system', () => {
  test('is told by its code, and by what that mostly means', () => {
    const hints = {
      ENOENT,
      EACCES: 'only the owner or root may do this',
      EROFS: 'the file system is mounted read-only, so used knocks cannot be recorded',
      ENOSPC: 'the disk is full, so used knocks cannot be recorded',
      EIO: undefined,
    };
    for (const [code, hint] of Object.entries(hints)) {
      const cause = Object.assign(new Error('secret'), { code });
      const error = storeError('cannot read a file', cause);
      refused('STORE', `cannot read a file: ${code}`, hint)(error);
      assert.equal(error.cause, cause);
      assert.equal('hint' in error && error.hint !== undefined, hint !== undefined);
    }
  });

  test('has no code where it is none of the system', () => {
    for (const other of [undefined, null, 'ENOENT', 7, {}, { code: 7 }, new Error('x')]) {
      assert.equal(codeOf(other), '');
      refused('STORE', 'cannot read a file', undefined)(storeError('cannot read a file', other));
    }
    assert.equal(codeOf({ code: 'ENOENT' }), 'ENOENT');
  });
});
