/**
 * Files that are written as a whole, on a real file system: replaced, claimed, given up, in pairs; modes, owners, and
 * what killed processes left behind.
 */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { removeLeftovers, writeNameless, writePrivateFiles } from '../../../shared/files/replace-file.ts';
import { scratchFolder } from '../../support/core/sequence-files.ts';
import { canGiveFilesAway, refused } from './file-refusals.ts';

const root = scratchFolder();
const canGiveAway = canGiveFilesAway(root);
const ENOENT = 'there is no such file or folder';

const newFolder = () => mkdtempSync(join(root, 'in-'));
const bytes = (text: string) => Buffer.from(text);
const contents = (folder: string) =>
  Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
const modeOf = (path: string) => (statSync(path).mode & 0o7777).toString(8);

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
