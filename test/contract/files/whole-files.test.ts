/**
 * Files that are written as a whole, on a real file system: replaced, claimed, given up, in pairs; modes, owners,
 * locks.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { KnockError } from '../../../shared/errors.ts';
import { LOCK_FLAGS, lockHandle } from '../../../shared/files/file-lock.ts';
import { openPrivateFile, syncFolder } from '../../../shared/files/private-file.ts';
import { removeLeftovers, writeNameless, writePrivateFiles } from '../../../shared/files/replace-file.ts';
import { codeOf, storeError } from '../../../shared/files/system-error.ts';
import { scratchFolder } from '../../support/core/sequence-files.ts';

const root = scratchFolder();
const isRoot = process.getuid?.() === 0;
/** Root of a user namespace with a single user cannot give files to others. */
const canGiveAway = isRoot && spawnSync('chown', ['12345:12345', mkdtempSync(join(root, 'given-'))]).status === 0;
const ENOENT = 'there is no such file or folder';

const newFolder = () => mkdtempSync(join(root, 'in-'));
const bytes = (text: string) => Buffer.from(text);
const contents = (folder: string) =>
  Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
const modeOf = (path: string) => (statSync(path).mode & 0o7777).toString(8);

/** Checks the whole error: code, message and hint, as users read them. */
function refused(code: string, message: string, hint?: string): (error: unknown) => true {
  return (error) => {
    assert(error instanceof KnockError, String(error));
    assert.deepEqual([error.code, error.message, error.hint], [code, message, hint]);
    return true;
  };
}

/** Runs `work` as if on another operating system. */
async function onPlatform<Result>(platform: string, work: () => Promise<Result>): Promise<Result> {
  const kept = Object.getOwnPropertyDescriptor(process, 'platform');
  assert(kept !== undefined);
  Object.defineProperty(process, 'platform', { ...kept, value: platform });
  try {
    return await work();
  } finally {
    Object.defineProperty(process, 'platform', kept);
  }
}

describe('a file that lacks its name', () => {
  test('has its mode and owner, and lies hidden beside the one that it is to become', async () => {
    const folder = newFolder();
    const path = join(folder, 'list.txt');
    const owner = canGiveAway ? { owner: { uid: 12345, gid: 54321 } } : {};
    const nameless = await writeNameless(path, bytes('one'), { mode: 0o640, ...owner });
    const [name = '', ...others] = readdirSync(folder);
    assert.deepEqual(others, []);
    assert.match(name, /^\.list\.txt\.[0-9a-f]{16}\.new$/);
    assert.equal(modeOf(join(folder, name)), '640');
    if (canGiveAway) {
      const { uid, gid } = statSync(join(folder, name));
      assert.deepEqual([uid, gid], [12345, 54321]);
    }
    await nameless.discard();
    assert.deepEqual(readdirSync(folder), []);
  });

  test('takes the place of what has the name, and settles with nothing left', async () => {
    const folder = newFolder();
    const path = join(folder, 'list');
    writeFileSync(path, 'old');
    const nameless = await writeNameless(path, bytes('new'), { mode: 0o600 });
    nameless.replace();
    await nameless.settle();
    assert.deepEqual(contents(folder), { list: 'new' });
  });

  test('claims a name that nobody has, and never one that somebody has', async () => {
    const folder = newFolder();
    const path = join(folder, 'list');
    const [first, second] = await Promise.all(
      ['first', 'second'].map((text) => writeNameless(path, bytes(text), { mode: 0o600 })),
    );
    assert(first && second);
    first.claim();
    assert.throws(() => second.claim(), { code: 'EEXIST' });
    await first.settle();
    assert.equal(readdirSync(folder).length, 2);
    await second.settle();
    assert.deepEqual(contents(folder), { list: 'first' });
  });

  test('is given up twice without a word', async () => {
    const nameless = await writeNameless(join(newFolder(), 'list'), bytes('x'), { mode: 0o600 });
    await nameless.discard();
    await nameless.discard();
  });

  test('is refused where there is no folder, and says where it was to be', async () => {
    const path = join(newFolder(), 'none', 'list');
    const want = refused('STORE', `cannot write next to ${path}: ENOENT`, ENOENT);
    await assert.rejects(writeNameless(path, bytes('x'), { mode: 0o600 }), want);
  });

  test('leaves nothing when it cannot be given to its owner', async () => {
    const folder = newFolder();
    const terms = { mode: 0o600, owner: { uid: 2 ** 32, gid: 0 } };
    await assert.rejects(writeNameless(join(folder, 'list'), bytes('x'), terms), { code: 'STORE' });
    assert.deepEqual(readdirSync(folder), []);
  });

  test('when its folder is gone then settling says what is not durable', async () => {
    const folder = newFolder();
    const nameless = await writeNameless(join(folder, 'list'), bytes('x'), { mode: 0o600 });
    rmSync(folder, { recursive: true });
    await assert.rejects(nameless.settle(), refused('STORE', `cannot open the folder ${folder}: ENOENT`, ENOENT));
  });
});

describe('what killed processes left behind', () => {
  test('goes, and nothing else that only looks like it', async () => {
    const folder = newFolder();
    const kept = [
      'list',
      '.list.0123456789abcde.new',
      '.list.0123456789abcdef0.new',
      '.list.0123456789ABCDEF.new',
      '.list.0123456789abcdef.old',
      '.lost.0123456789abcdef.new',
      'xlist.0123456789abcdef.new',
      '.list..new',
    ];
    const gone = ['.list.0123456789abcdef.new', '.list.ffffffffffffffff.new'];
    for (const name of [...kept, ...gone]) writeFileSync(join(folder, name), name);
    // A leftover that cannot be removed stays; the others are still removed.
    mkdirSync(join(folder, '.list.00000000000000aa.new'));
    await removeLeftovers(join(folder, 'list'));
    assert.deepEqual(readdirSync(folder).sort(), [...kept, '.list.00000000000000aa.new'].sort());
  });

  test('where there is no folder there is nothing to do', async () => {
    await removeLeftovers(join(newFolder(), 'none', 'list'));
  });
});

describe('private files that come together', () => {
  const pair = (folder: string) =>
    ['a', 'b'].map((name) => ({ path: join(folder, name), bytes: bytes(`new ${name}`) }));
  const taken = (path: string) => refused('USAGE', `${path} exists already`, 'it may be in use; --force replaces it');

  test('are all there, each for its owner alone, with nothing beside them', async () => {
    for (const overwrite of [false, true]) {
      const folder = newFolder();
      await writePrivateFiles(pair(folder), overwrite);
      assert.deepEqual(contents(folder), { a: 'new a', b: 'new b' });
      assert.deepEqual(
        ['a', 'b'].map((name) => modeOf(join(folder, name))),
        ['600', '600'],
      );
    }
  });

  for (const [there, why] of [
    ['a', 'the first'],
    ['b', 'the second, when the first had its name already'],
  ] as const) {
    test(`when one is there already then none is written: ${why}`, async () => {
      const folder = newFolder();
      writeFileSync(join(folder, there), 'old');
      await assert.rejects(writePrivateFiles(pair(folder), false), taken(join(folder, there)));
      assert.deepEqual(contents(folder), { [there]: 'old' });
    });
  }

  test('when they are there and may be replaced then they are', async () => {
    const folder = newFolder();
    for (const name of ['a', 'b']) writeFileSync(join(folder, name), 'old', { mode: 0o644 });
    await writePrivateFiles(pair(folder), true);
    assert.deepEqual(contents(folder), { a: 'new a', b: 'new b' });
    assert.equal(modeOf(join(folder, 'a')), '600');
  });

  test('when a name cannot be had for another reason then that is said, and nothing is left beside', async () => {
    const folder = newFolder();
    mkdirSync(join(folder, 'b'));
    const want = refused('STORE', `cannot write ${join(folder, 'b')}: EISDIR`, undefined);
    await assert.rejects(writePrivateFiles(pair(folder), true), want);
    // A file that replaced an older one stays: the old text no longer exists.
    assert.deepEqual(readdirSync(folder), ['a', 'b']);
  });

  test('when the last has no folder then none has its name', async () => {
    const folder = newFolder();
    const files = [...pair(folder), { path: join(folder, 'none', 'c'), bytes: bytes('c') }];
    await assert.rejects(writePrivateFiles(files, false), { code: 'STORE' });
    assert.deepEqual(readdirSync(folder), []);
  });
});

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
