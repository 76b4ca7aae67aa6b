/** The kernel's lock of a file, by flock(1), on a real file system. */
import assert from 'node:assert/strict';
import { existsSync, linkSync, mkdtempSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { KnockError } from '../../../shared/errors.ts';
import { LOCK_FLAGS, lockHandle } from '../../../shared/files/file-lock.ts';
import { scratchFolder } from '../../support/core/sequence-files.ts';
import { onPlatform, refused } from './file-refusals.ts';

const root = scratchFolder();
const newFolder = () => mkdtempSync(join(root, 'in-'));

describe('a lock of the kernel', { skip: process.platform !== 'linux' && 'flock(1) is what Linux has' }, () => {
  test('is had by one of two, and by the other when the first has closed its file', async () => {
    const path = join(newFolder(), 'file');
    writeFileSync(path, '');
    const [first, second] = [await open(path, 'r+'), await open(path, 'r+')];
    assert.equal(await lockHandle(first), true);
    assert.equal(await lockHandle(second), false);
    await first.close();
    assert.equal(await lockHandle(second), true);
    await second.close();
    assert.equal(LOCK_FLAGS, 0);
  });

  test('is of the file, whatever other names it has', async () => {
    const path = join(newFolder(), 'file');
    writeFileSync(path, '');
    linkSync(path, `${path}.also`);
    const [first, second] = [await open(path, 'r+'), await open(`${path}.also`, 'r+')];
    assert.deepEqual([await lockHandle(first), await lockHandle(second)], [true, false]);
    await first.close();
    await second.close();
  });

  test('does not come from a program that somebody put in the PATH', async () => {
    const folder = newFolder();
    const path = join(folder, 'file');
    writeFileSync(path, '');
    writeFileSync(join(folder, 'flock'), `#!/bin/sh\ntouch ${folder}/started\n`, { mode: 0o755 });
    const kept = process.env['PATH'];
    process.env['PATH'] = `${folder}:${kept}`;
    try {
      const handle = await open(path, 'r+');
      assert.equal(await lockHandle(handle), true);
      await handle.close();
    } finally {
      process.env['PATH'] = kept;
    }
    assert(!existsSync(join(folder, 'started')));
  });

  test('when the file is closed or takes none, or the system has none, then that is an error and no answer', async () => {
    const path = join(newFolder(), 'file');
    writeFileSync(path, '');
    const closed = await open(path, 'r+');
    await closed.close();
    await assert.rejects(lockHandle(closed), refused('STORE', 'a file that was closed cannot be locked'));
    const noProgram = refused('STORE', 'the program flock cannot be run', 'install util-linux');
    await assert.rejects(lockHandle({ fd: 1_000_000 } as FileHandle), noProgram);
    const O_PATH = 0o10000000;
    const named = await open(path, O_PATH);
    await assert.rejects(lockHandle(named), (error: unknown) => {
      assert(error instanceof KnockError);
      assert.match(error.message, /^the program flock ended with [1-9]\d*$/);
      return refused('STORE', error.message, 'does this file system have locks?')(error);
    });
    await named.close();
    const handle = await open(path, 'r+');
    const unknown = refused('STORE', 'files cannot be locked on plan9', undefined);
    await assert.rejects(
      onPlatform('plan9', () => lockHandle(handle)),
      unknown,
    );
    await handle.close();
  });
});
