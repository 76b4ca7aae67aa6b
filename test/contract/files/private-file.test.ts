/** Files with secrets, on a real file system: refused modes, owners and folders, symbolic links and FIFOs. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { openPrivateFile, syncFolder } from '../../../shared/files/private-file.ts';
import { scratchFolder } from '../../support/core/sequence-files.ts';
import { canGiveFilesAway, onPlatform, refused } from './file-refusals.ts';

const root = scratchFolder();
const canGiveAway = canGiveFilesAway(root);
const ENOENT = 'there is no such file or folder';

const newFolder = () => mkdtempSync(join(root, 'in-'));

describe('a private file', () => {
  function newFile(mode = 0o600): string {
    const path = join(newFolder(), 'secret');
    writeFileSync(path, 'x', { mode: 0o600 });
    chmodSync(path, mode);
    return path;
  }

  test('is opened for reading, or to be changed as well', async () => {
    const path = newFile();
    const reading = await openPrivateFile(path, 'read');
    await assert.rejects(reading.write('y'), { code: 'EBADF' });
    await reading.close();
    const changing = await openPrivateFile(path, 'change');
    await changing.write('y', 0);
    await changing.close();
    assert.equal(readFileSync(path, 'utf8'), 'y');
  });

  test('that others can read or change is refused, with its mode and the way out', async () => {
    for (const [mode, octal, verb] of [
      [0o640, '0640', 'read'],
      [0o604, '0604', 'read'],
      [0o622, '0622', 'changed or run'],
      [0o4601, '4601', 'changed or run'],
    ] as const) {
      const path = newFile(mode);
      const hint = `chmod 600 '${path}', and make new sequences if somebody may have read these`;
      const want = refused('INSECURE_FILE', `${path} can be ${verb} by others (mode ${octal})`, hint);
      await assert.rejects(openPrivateFile(path, 'read'), want);
    }
  });

  test('in a folder where others can put one in its place is refused, but not where the sticky bit forbids it', async () => {
    const path = newFile();
    const folder = join(path, '..');
    for (const [mode, octal] of [
      [0o720, '0720'],
      [0o702, '0702'],
    ] as const) {
      chmodSync(folder, mode);
      const hint = `chmod go-w '${folder}', or keep the file in a folder of its own`;
      const want = refused('INSECURE_FILE', `others can put files into ${folder} (mode ${octal})`, hint);
      await assert.rejects(openPrivateFile(path, 'read'), want);
    }
    for (const mode of [0o1777, 0o755]) {
      chmodSync(folder, mode);
      await (await openPrivateFile(path, 'read')).close();
    }
  });

  test('of somebody else, or in his folder, is refused', { skip: !canGiveAway && 'needs a second user' }, async () => {
    const us = process.geteuid?.();
    const path = newFile();
    chownSync(path, 12345, 12345);
    const message = (name: string) => `${name} belongs to user 12345, neither to root nor to this one`;
    await assert.rejects(
      openPrivateFile(path, 'read'),
      refused('INSECURE_FILE', message(path), `chown ${us} '${path}'`),
    );
    chownSync(path, 0, 0);
    const folder = join(path, '..');
    chownSync(folder, 12345, 12345);
    const want = refused('INSECURE_FILE', message(folder), `chown ${us} '${folder}'`);
    await assert.rejects(openPrivateFile(path, 'read'), want);
  });

  test("of root's is not foreign to any user, nor is one's own", {
    skip: !canGiveAway && 'needs a second user',
  }, async () => {
    const path = newFile();
    const folder = join(path, '..');
    chmodSync(root, 0o755);
    try {
      process.seteuid?.(12345);
      // The operating system refuses it, not our check.
      const message = /^cannot open .*: EACCES$/;
      await assert.rejects(openPrivateFile(path, 'read'), { code: 'STORE', message });
      process.seteuid?.(0);
      chownSync(path, 12345, 12345);
      chmodSync(folder, 0o755);
      process.seteuid?.(12345);
      await (await openPrivateFile(path, 'change')).close();
    } finally {
      process.seteuid?.(0);
    }
  });

  test('that is not there, is a link, or is no file is told apart', async () => {
    const path = newFile();
    const folder = join(path, '..');
    const none = join(folder, 'none');
    await assert.rejects(openPrivateFile(none, 'read'), refused('STORE', `cannot open ${none}: ENOENT`, ENOENT));
    const lost = join(none, 'secret');
    await assert.rejects(
      openPrivateFile(lost, 'read'),
      refused('STORE', `cannot open the folder ${none}: ENOENT`, ENOENT),
    );
    const link = join(folder, 'link');
    spawnSync('ln', ['-s', path, link]);
    const isLink = refused('INSECURE_FILE', `${link} is a symbolic link`, 'name the file itself');
    await assert.rejects(openPrivateFile(link, 'read'), isLink);
    const fifo = join(folder, 'fifo');
    spawnSync('mkfifo', ['-m', '600', fifo]);
    await assert.rejects(openPrivateFile(fifo, 'read'), refused('STORE', `${fifo} is not a regular file`));
    // A path below a file.
    await assert.rejects(
      openPrivateFile(join(path, 'below'), 'read'),
      refused('STORE', `cannot open the folder ${path}: ENOTDIR`),
    );
  });

  test('is opened with the bits that are asked for', async () => {
    const path = newFile();
    const O_APPEND = 0o2000;
    const handle = await openPrivateFile(path, 'change', O_APPEND);
    await handle.write('y', 0);
    await handle.close();
    assert.equal(readFileSync(path, 'utf8'), 'xy');
  });

  test('on Windows, where modes mean nothing, is opened whatever they say', async () => {
    const path = newFile(0o666);
    chmodSync(join(path, '..'), 0o777);
    const handle = await onPlatform('win32', () => openPrivateFile(path, 'read'));
    await handle.close();
    await onPlatform('win32', () => syncFolder(join(path, 'none')));
  });

  test('is not left open when it is refused', async () => {
    const openFiles = () => readdirSync('/proc/self/fd').length;
    const [path, fifo] = [newFile(0o644), join(newFolder(), 'fifo')];
    spawnSync('mkfifo', ['-m', '600', fifo]);
    const before = openFiles();
    for (const refusedPath of [path, fifo]) await assert.rejects(openPrivateFile(refusedPath, 'read'));
    chmodSync(path, 0o600);
    await (await openPrivateFile(path, 'read')).close();
    await syncFolder(join(path, '..'));
    assert.equal(openFiles(), before);
  });
});
