/** One-time files on a real file system: lines are taken and struck, edits of others, and permissions. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { OneTimeFile, type StrikeStep } from '../../../shared/files/one-time-file.ts';
import { isUnspent } from '../../../shared/formats/sequences-file.ts';
import { scratchFolder, writeSequences } from '../../support/core/sequence-files.ts';
import { canGiveFilesAway, refusal } from './file-refusals.ts';

const isRoot = process.getuid?.() === 0;
const folder = scratchFolder();
const canGiveAway = canGiveFilesAway(folder);

let made = 0;
function newFile(content: string, name = `file-${made + 1}`): string {
  made += 1;
  return writeSequences(join(folder, name), content);
}

function newFolder(): string {
  return mkdtempSync(join(folder, 'in-'));
}

describe('a one-time file', () => {
  test('when lines are taken then they come from the top, each once, and undefined at the end', async () => {
    const path = newFile('# head\r\n 7000,8000\r\n7001,8001\r\nbad\r\n 7002,8002');
    const file = new OneTimeFile(path);
    const first = await file.take();
    assert.deepEqual([first?.line.number, first?.left], [2, 2]);
    assert.deepEqual((await file.take())?.line.knocks[0], { protocol: 'tcp', port: 7001 });
    assert.equal((await file.take())?.left, 0);
    assert.equal(await file.take(), undefined);
    assert.equal(readFileSync(path, 'utf8'), '# head\r\n#7000,8000\r\n#7001,8001\r\nbad\r\n#7002,8002');
  });

  test('when a line begins with a blank then the file stays the same file, so that a knockd that has it open sees it', async () => {
    const path = newFile(' 7000,8000\n 7001\n');
    const knockd = openSync(path, 'r+');
    const { ino } = statSync(path);
    await new OneTimeFile(path).take();
    assert.equal(statSync(path).ino, ino);
    const seen = Buffer.alloc(11);
    readSync(knockd, seen, 0, 11, 0);
    closeSync(knockd);
    assert.equal(seen.toString(), '#7000,8000\n');
  });

  test('when it is written anew then mode and owner stay, and nothing is left beside it', async () => {
    const path = newFile('7000,8000\n7001\n');
    chmodSync(path, 0o400);
    if (canGiveAway) chownSync(path, 0, 12345);
    const before = statSync(path);
    if (isRoot) {
      // A leftover of a killed process, and a file that only looks like one.
      writeFileSync(join(folder, `.file-${made}.0123456789abcdef.new`), 'x');
      writeFileSync(join(folder, `.file-${made}.kept.new`), 'x');
      await new OneTimeFile(path).take();
      const after = statSync(path);
      assert.deepEqual([after.mode, after.uid, after.gid], [before.mode, before.uid, before.gid]);
      assert(!existsSync(join(folder, `.file-${made}.0123456789abcdef.new`)));
      assert(existsSync(join(folder, `.file-${made}.kept.new`)));
    } else {
      await assert.rejects(new OneTimeFile(path).take(), refusal('STORE', /EACCES/));
    }
  });

  test('when skipped lines are struck with the used one then all are, in one step', async () => {
    const path = newFile(' 7000\n 7001\n 7002\n 7003\n');
    const file = new OneTimeFile(path);
    const [a, b, c] = (await file.read()).filter(isUnspent);
    assert(a && b && c);
    const { ino } = statSync(path);
    assert.equal(await file.strike(c, [a, b]), 'struck');
    assert.equal(readFileSync(path, 'utf8'), '#7000\n#7001\n#7002\n 7003\n');
    assert.notEqual(statSync(path).ino, ino);
    assert.equal(await file.strike(c, [a, b]), 'already');
  });

  test('when somebody else struck the line, or took it out, then it may not be used', async () => {
    const path = newFile(' 7000\n 7001\n');
    const file = new OneTimeFile(path);
    const [a, b] = (await file.read()).filter(isUnspent);
    assert(a && b);
    writeSequences(path, '#7000\n 7002\n');
    assert.equal(await file.strike(a), 'already');
    assert.equal(await file.strike(b), 'gone');
    assert.equal(readFileSync(path, 'utf8'), '#7000\n 7002\n');
  });

  test('when an editor puts lines above the used one then the used one is struck', async () => {
    const path = newFile(' 7000\n7001\n');
    const file = new OneTimeFile(path);
    const [a, b] = (await file.read()).filter(isUnspent);
    assert(a && b);
    writeFileSync(`${path}.edited`, '# more\n 7002\n\n 7000\n7001\n', { mode: 0o600 });
    renameSync(`${path}.edited`, path);
    assert.equal(await file.strike(a), 'struck');
    assert.equal(await file.strike(b), 'struck');
    assert.equal(readFileSync(path, 'utf8'), '# more\n 7002\n\n#7000\n#7001\n');
  });

  // An editor without locks can do this at any moment; the strike then starts again with the new content.
  const edits: readonly [string, (path: string) => void, RegExp][] = [
    ['renames a new file over it', (path) => replace(path, ' 7009\n 7000\n'), /^ 7009\n#7000\n$/],
    ['writes another file into it', (path) => writeFileSync(path, ' 7009\n 7000\n'), /^ 7009\n#7000\n$/],
    ['appends to the line', (path) => appendFileSync(path, '0\n 7000\n'), /^[ #]?70000\n#7000\n$/],
  ];
  const moments: readonly [string, readonly StrikeStep[]][] = [
    [' 7000', ['read', 'before-write', 'written', 'synced']],
    ['7000', ['read', 'copied']],
  ];
  for (const [what, edit, expected] of edits) {
    for (const [content, steps] of moments) {
      for (const step of steps) {
        test(`when an editor ${what} after "${step}" of striking "${content}" then both are in the file`, async () => {
          const path = newFile(content);
          const file = new OneTimeFile(path, { onStep: onceAt(step, () => edit(path)) });
          const [used] = (await file.read()).filter(isUnspent);
          assert(used);
          assert.equal(await file.strike(used), 'struck');
          assert.match(readFileSync(path, 'utf8'), expected);
        });
      }
    }
  }

  test('when a strike is not confirmed then the next one writes the file anew before it counts', async () => {
    const path = newFile(' 7000\n 7001\n');
    let failing = true;
    const file = new OneTimeFile(path, {
      onStep: (step) => {
        if (step === 'written' && failing) throw new Error('as if fdatasync had failed');
      },
    });
    const [a] = (await file.read()).filter(isUnspent);
    assert(a);
    await assert.rejects(file.strike(a), refusal('STORE', /cannot strike/));
    failing = false;
    const { ino } = statSync(path);
    assert.equal(await file.strike(a), 'already');
    assert.notEqual(statSync(path).ino, ino);
    assert.equal(readFileSync(path, 'utf8'), '#7000\n 7001\n');
  });
});

function replace(path: string, content: string): void {
  writeSequences(`${path}.edited`, content);
  renameSync(`${path}.edited`, path);
}

function onceAt(wanted: StrikeStep, act: () => void): (step: StrikeStep) => void {
  let done = false;
  return (step) => {
    if (done || step !== wanted) return;
    done = true;
    act();
  };
}

describe('a file that others could have touched', () => {
  for (const mode of [0o640, 0o620, 0o604, 0o602, 0o601, 0o644]) {
    test(`when its mode is ${mode.toString(8)} then it is refused, for reading and for striking`, async () => {
      const path = newFile(' 7000,8000\n');
      chmodSync(path, mode);
      await assert.rejects(new OneTimeFile(path).read(), refusal('INSECURE_FILE', /mode 06.*chmod 600/));
      await assert.rejects(new OneTimeFile(path).take(), refusal('INSECURE_FILE', /mode 06.*chmod 600/));
      assert.equal(readFileSync(path, 'utf8'), ' 7000,8000\n');
    });
  }

  test('when it is a symbolic link then it is not followed', async () => {
    const path = join(newFolder(), 'link');
    symlinkSync(newFile(' 7000\n'), path);
    await assert.rejects(new OneTimeFile(path).take(), refusal('INSECURE_FILE', /symbolic link/));
  });

  test('when it is a folder, a FIFO or nothing then it is refused at once', async () => {
    const inside = newFolder();
    const fifo = join(inside, 'fifo');
    execFileSync('mkfifo', ['-m', '600', fifo]);
    await assert.rejects(new OneTimeFile(fifo).take(), refusal('STORE', /not a regular file/));
    const path = join(inside, 'folder');
    mkdirSync(path, { mode: 0o700 });
    await assert.rejects(new OneTimeFile(path).read(), refusal('STORE', /not a regular file/));
    await assert.rejects(new OneTimeFile(join(inside, 'none')).read(), refusal('STORE', /ENOENT/));
  });

  test('when others can put files into its folder then it is refused, unless the folder is sticky', async () => {
    const open = newFolder();
    const path = writeSequences(join(open, 'file'), ' 7000\n');
    chmodSync(open, 0o777);
    await assert.rejects(new OneTimeFile(path).take(), refusal('INSECURE_FILE', /others can put files/));
    chmodSync(open, 0o770);
    await assert.rejects(new OneTimeFile(path).read(), refusal('INSECURE_FILE', /others can put files/));
    chmodSync(open, 0o1777);
    assert.equal((await new OneTimeFile(path).take())?.left, 0);
  });

  test('when it belongs to another user then it is refused', {
    skip: !canGiveAway && 'needs a second user',
  }, async () => {
    const path = newFile(' 7000\n');
    chownSync(path, 12345, 12345);
    await assert.rejects(new OneTimeFile(path).take(), refusal('INSECURE_FILE', /belongs to user 12345.*chown/));
  });

  test('when it is longer than 4 MiB then it is refused', async () => {
    const path = newFile('# filler\n'.repeat(500_000));
    await assert.rejects(new OneTimeFile(path).read(), refusal('STORE', /longer than/));
  });
});
