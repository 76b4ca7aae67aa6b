/**
 * One-time files within one process: the ways to strike a line, the next strike after a failed one, and concurrent
 * strikes.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { KnockError } from '../../../shared/errors.ts';
import { LOCK_FLAGS, lockHandle } from '../../../shared/files/file-lock.ts';
import { MAX_FILE_BYTES, OneTimeFile, type StrikeStep } from '../../../shared/files/one-time-file.ts';
import { isUnspent, type SequenceLine } from '../../../shared/formats/sequences-file.ts';
import { scratchFolder, writeSequences } from '../../support/core/sequence-files.ts';

const root = scratchFolder();

function newFile(content: string): string {
  return writeSequences(join(mkdtempSync(join(root, 'in-')), 'file'), content);
}

const textOf = (path: string) => readFileSync(path, 'utf8');
const inodeOf = (path: string) => statSync(path).ino;
const openFiles = () => readdirSync('/proc/self/fd').length;

async function unspentLines(file: OneTimeFile): Promise<readonly SequenceLine[]> {
  return (await file.read()).filter(isUnspent);
}

function storeError(message: string, hint?: string): (error: unknown) => true {
  return (error) => {
    assert(error instanceof KnockError, String(error));
    assert.deepEqual([error.code, error.message, error.hint], ['STORE', message, hint]);
    return true;
  };
}

/** Runs `act` once, when a strike reaches the step. */
function at(wanted: StrikeStep, act: () => void): (step: StrikeStep) => void {
  let done = false;
  return (step) => {
    if (done || step !== wanted) return;
    done = true;
    act();
  };
}

const fail = () => {
  throw new Error('as if the disk had failed');
};

describe('how a line is struck', () => {
  test('by its steps: in place where one blank gives way, by a copy where nothing does', async () => {
    for (const [content, want] of [
      [' 7000\n', ['locked', 'read', 'before-write', 'written', 'synced']],
      ['7000\n', ['locked', 'read', 'copied', 'renamed', 'folder-synced']],
    ] as const) {
      const steps: StrikeStep[] = [];
      await new OneTimeFile(newFile(content), { onStep: (step) => steps.push(step) }).take();
      assert.deepEqual(steps, want);
    }
  });

  test('in place again and again, also behind one that took a copy', async () => {
    const path = newFile(' 7000\n 7001\n7002\n 7003\n');
    const file = new OneTimeFile(path);
    const first = inodeOf(path);
    await file.take();
    await file.take();
    assert.equal(inodeOf(path), first);
    await file.take();
    const copy = inodeOf(path);
    assert.notEqual(copy, first);
    await file.take();
    assert.equal(inodeOf(path), copy);
    assert.equal(textOf(path), '#7000\n#7001\n#7002\n#7003\n');
  });

  test('alone, where the lines that it skips are struck already or gone', async () => {
    const path = newFile(' 7000\n 7001\n');
    const file = new OneTimeFile(path);
    const [a, b] = await unspentLines(file);
    const [gone] = await unspentLines(new OneTimeFile(newFile(' 7009\n')));
    assert(a && b && gone);
    await file.strike(a);
    const before = inodeOf(path);
    assert.equal(await file.strike(b, [a, gone]), 'struck');
    assert.deepEqual([inodeOf(path), textOf(path)], [before, '#7000\n#7001\n']);
  });

  test('not at all, where it is struck already', async () => {
    const path = newFile('7000\n');
    const file = new OneTimeFile(path);
    const [line] = await unspentLines(file);
    assert(line);
    await file.strike(line);
    const { ino, mtimeMs } = statSync(path);
    assert.equal(await file.strike(line), 'already');
    assert.deepEqual([statSync(path).ino, statSync(path).mtimeMs], [ino, mtimeMs]);
  });
});

describe('a file that changes while a line of it is struck', () => {
  // Each text is as long as the text it replaces, so only the bytes differ.
  const edits: readonly [what: string, edited: string, step: StrikeStep, left: RegExp][] = [
    ['another sequence stands there', '# a\n 7009\n', 'read', /^# a\n 7009\n$/],
    ['another sequence stands there', '# a\n 7009\n', 'before-write', /^# a\n 7009\n$/],
    ['the line before runs on into it', '# ab 7000\n', 'before-write', /^# ab 7000\n$/],
    ['it runs on into the line behind', '# a\n 70001', 'before-write', /^# a\n 70001$/],
    ['another sequence is written over the strike', '# a\n 7009\n', 'written', /^# a\n 7009\n$/],
  ];
  for (const [what, edited, step, left] of edits) {
    test(`when ${what} after "${step}" then the line is gone, and theirs stays`, async () => {
      const path = newFile('# a\n 7000\n');
      const file = new OneTimeFile(path, { onStep: at(step, () => writeFileSync(path, edited)) });
      const [line] = await unspentLines(file);
      assert(line);
      assert.equal(await file.strike(line), 'gone');
      assert.match(textOf(path), left);
    });
  }

  test('when it is removed then that is said, and it is not made again', async () => {
    for (const [content, step] of [
      [' 7000\n', 'read'],
      [' 7000\n', 'before-write'],
      ['7000\n', 'copied'],
    ] as const) {
      const path = newFile(content);
      const file = new OneTimeFile(path, { onStep: at(step, () => rmSync(path)) });
      const gone = storeError(`cannot open ${path}: ENOENT`, 'there is no such file or folder');
      await assert.rejects(file.take(), gone);
      assert.deepEqual(readdirSync(join(path, '..')), []);
    }
  });

  test('when it never comes to rest then the time that was given ends it', async () => {
    const path = newFile('7000\n');
    let edits = 0;
    const file = new OneTimeFile(path, {
      waitMs: 30,
      onStep: (step) => {
        if (step !== 'copied') return;
        edits += 1;
        writeFileSync(path, `# ${edits}\n7000\n`);
      },
    });
    const busy = storeError(
      `${path} is in use by another process, or keeps changing`,
      'see with fuser or lsof who has it open',
    );
    await assert.rejects(file.take(), busy);
    assert(edits > 0);
    assert.equal(textOf(path), `# ${edits}\n7000\n`);
  });
});

describe('after a strike that failed', () => {
  test('in place, the next one writes the file anew, and the one behind that trusts it again', async () => {
    const path = newFile(' 7000\n 7001\n 7002\n');
    const file = new OneTimeFile(path, { onStep: at('written', fail) });
    await assert.rejects(file.take(), storeError(`cannot strike a line of ${path}`));
    const first = inodeOf(path);
    assert.equal((await file.take())?.line.number, 2);
    const anew = inodeOf(path);
    assert.notEqual(anew, first);
    assert.equal((await file.take())?.line.number, 3);
    assert.equal(inodeOf(path), anew);
  });

  test('by a copy that had its name already, the next one is written anew too', async () => {
    const path = newFile('7000\n 7001\n');
    const file = new OneTimeFile(path, { onStep: at('renamed', fail) });
    await assert.rejects(file.take(), storeError(`cannot strike a line of ${path}`));
    const first = inodeOf(path);
    assert.equal((await file.take())?.line.number, 2);
    assert.notEqual(inodeOf(path), first);
  });

  test('by a copy without its name, nothing has changed and nothing is left', async () => {
    const path = newFile('7000\n 7001\n');
    const file = new OneTimeFile(path, { onStep: at('copied', fail) });
    await assert.rejects(file.take(), storeError(`cannot strike a line of ${path}`));
    assert.deepEqual([readdirSync(join(path, '..')), textOf(path)], [['file'], '7000\n 7001\n']);
    assert.equal((await file.take())?.line.number, 1);
  });
});

describe('taking turns', () => {
  async function held(path: string): Promise<{ close(): Promise<void> }> {
    const handle = await open(path, 2 | LOCK_FLAGS);
    assert.equal(await lockHandle(handle), true);
    return handle;
  }

  test('when somebody else has the file then it is waited for, and given up in time', async () => {
    const path = newFile(' 7000\n');
    const holder = await held(path);
    const busy = storeError(
      `${path} is in use by another process, or keeps changing`,
      'see with fuser or lsof who has it open',
    );
    await assert.rejects(new OneTimeFile(path, { waitMs: 40 }).take(), busy);
    assert.equal(textOf(path), ' 7000\n');
    const waiting = new OneTimeFile(path).take();
    await holder.close();
    assert.equal((await waiting)?.left, 0);
    assert.equal(textOf(path), '#7000\n');
  });

  test('when it is only read then nobody is waited for', async () => {
    const path = newFile(' 7000\n');
    const holder = await held(path);
    assert.equal((await unspentLines(new OneTimeFile(path))).length, 1);
    await holder.close();
  });

  test('when many take at once then each line goes to one of them', async () => {
    const path = newFile(' 7000\n7001\n 7002\n7003\n');
    const taken = await Promise.all(Array.from({ length: 6 }, () => new OneTimeFile(path).take()));
    const numbers = taken.flatMap((each) => each?.line.number ?? []);
    assert.deepEqual(numbers.sort(), [1, 2, 3, 4]);
    assert.equal(textOf(path), '#7000\n#7001\n#7002\n#7003\n');
  });

  test('no file is left open, whatever a strike comes to', async () => {
    const path = newFile(' 7000\n7001\n');
    const before = openFiles();
    const file = new OneTimeFile(path, { onStep: at('copied', fail), waitMs: 20 });
    await file.read();
    await file.take();
    await assert.rejects(file.take());
    await file.take();
    assert.equal(await file.take(), undefined);
    const holder = await held(path);
    await assert.rejects(file.take());
    await holder.close();
    truncateSync(path, MAX_FILE_BYTES + 1);
    await assert.rejects(file.read());
    await assert.rejects(file.take());
    assert.equal(openFiles(), before);
  });
});

test('a file of 4 MiB is read, and one that is a byte longer is taken for another file', async () => {
  const line = ' 7000\n';
  const path = newFile(line + '#'.repeat(MAX_FILE_BYTES - line.length));
  assert.equal((await unspentLines(new OneTimeFile(path))).length, 1);
  truncateSync(path, MAX_FILE_BYTES + 1);
  const long = storeError(`${path} is longer than 4194304 bytes`, 'is it the right file?');
  await assert.rejects(new OneTimeFile(path).read(), long);
});
