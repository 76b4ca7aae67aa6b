/**
 * Editing a file that other programs edit too: their changes at any moment are kept, and so are mode, owner and links.
 */
import assert from 'node:assert/strict';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, test } from 'node:test';
import { editFile, withLock } from '../../../../../server/firewall/wrappers/edit-file.ts';
import { addLine, removeLine } from '../../../../../server/firewall/wrappers/wrapper-lines.ts';

const directory = mkdtempSync(join(tmpdir(), 'knock-otp-edit-'));
after(() => rmSync(directory, { recursive: true, force: true }));
const file = join(directory, 'file');
const add = (content: string) => `${content}ours\n`;

describe('editing a file', () => {
  beforeEach(() => {
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(directory);
    write('his\n');
  });

  test('when it is changed then mode and owner stay, the text before is kept, and nothing else lies there', async () => {
    chmodSync(file, 0o604);
    await editFile(file, add);
    assert.equal(readFileSync(file, 'latin1'), 'his\nours\n');
    assert.equal(readFileSync(`${file}.bak`, 'latin1'), 'his\n');
    for (const each of [file, `${file}.bak`]) assert.equal(statSync(each).mode & 0o7777, 0o604);
    assert.deepEqual(readdirSync(directory).sort(), ['file', 'file.bak']);
  });

  test('when nothing is to be changed then the file is not touched', async () => {
    const before = statSync(file, { bigint: true });
    await editFile(file, () => undefined);
    assert.deepEqual(statSync(file, { bigint: true }).ino, before.ino);
    assert.equal(existsSync(`${file}.bak`), false);
  });

  for (const [what, save] of [
    ['appends', () => appendFileSync(file, 'more\n')],
    ['writes it anew', () => writeFileSync(file, 'other\n')],
    [
      'renames another over it',
      () => {
        writeFileSync(`${file}.his`, 'other\n');
        renameSync(`${file}.his`, file);
      },
    ],
  ] as const) {
    test(`when somebody ${what} between reading and renaming then his text is the one that is changed`, async () => {
      let calls = 0;
      await editFile(file, (content) => {
        calls += 1;
        if (calls === 1) save();
        return add(content);
      });
      assert.equal(readFileSync(file, 'latin1'), what === 'appends' ? 'his\nmore\nours\n' : 'other\nours\n');
      assert(calls > 1);
    });
  }

  test('when the file is missing then it is made, for everybody to read', async () => {
    rmSync(file);
    await editFile(file, add);
    assert.equal(readFileSync(file, 'latin1'), 'ours\n');
    assert.equal(statSync(file).mode & 0o7777, 0o644);
    assert.equal(existsSync(`${file}.bak`), false);
  });

  test('when it is a link then its target is changed and the link stays', async () => {
    mkdirSync(join(directory, 'real'));
    renameSync(file, join(directory, 'real', 'file'));
    symlinkSync('real/file', file);
    await editFile(file, add);
    assert(lstatSync(file).isSymbolicLink());
    assert.equal(readFileSync(join(directory, 'real', 'file'), 'latin1'), 'his\nours\n');
  });

  for (const [what, spoil, says] of [
    ['everybody may write it', () => chmodSync(file, 0o666), /everybody may write/],
    ['it has another name', () => linkSync(file, `${file}.other`), /another name/],
    [
      'it is a link to nowhere',
      () => {
        rmSync(file);
        symlinkSync('nowhere', file);
      },
      /leads nowhere/,
    ],
    [
      'it is a directory',
      () => {
        rmSync(file);
        mkdirSync(file);
      },
      /not a regular file/,
    ],
  ] as const) {
    test(`when ${what} then it is not changed`, async () => {
      spoil();
      await assert.rejects(editFile(file, add), { code: 'FIREWALL', message: says });
    });
  }

  test('when two want the lock then they come one after the other, and the dead hold nothing', async () => {
    const lock = join(directory, 'lock');
    writeFileSync(lock, '999999999\n');
    const order: string[] = [];
    await withLock(lock, async () => void order.push('first'));
    assert.equal(existsSync(lock), false);
    await assert.rejects(
      withLock(lock, () => Promise.reject(new Error('inside'))),
      /inside/,
    );
    assert.equal(existsSync(lock), false);
    assert.deepEqual(order, ['first']);
  });

  test('when a lock was never filled in, by a crash or a full disk, then it holds for seconds and no longer', async () => {
    const lock = join(directory, 'lock');
    writeFileSync(lock, '');
    const order: string[] = [];
    const waiting = withLock(lock, async () => void order.push('mine'));
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.deepEqual(order, [], 'somebody may be about to fill it in');
    const before = Date.now() / 1000 - 60;
    utimesSync(lock, before, before);
    await waiting;
    assert.deepEqual(order, ['mine']);
    assert.equal(existsSync(lock), false);
  });
});

describe('a line of ours', () => {
  for (const [content, expected] of [
    ['', 'sshd: 192.0.2.7\n'],
    ['a: b\n', 'a: b\nsshd: 192.0.2.7\n'],
    // After these, our line would become part of theirs, or an ignored line would take effect.
    ['a: b', 'sshd: 192.0.2.7\na: b'],
    ['a: b\nc: \\\n', 'a: b\nsshd: 192.0.2.7\nc: \\\n'],
    ['a: b\nc\0: d\n', 'a: b\nsshd: 192.0.2.7\nc\0: d\n'],
    ['# c \\\n  d\n', '# c \\\n  d\nsshd: 192.0.2.7\n'],
  ] as const) {
    test(`when the file is ${JSON.stringify(content)} then it goes after the last finished line, and out again`, () => {
      assert.equal(addLine(content, 'sshd: 192.0.2.7'), expected);
      assert.equal(removeLine(expected, 'sshd: 192.0.2.7'), content);
    });
  }

  test('when the same text continues another line then it is not ours', () => {
    assert.equal(removeLine('sshd: 10.0.0.1 \\\nsshd: 192.0.2.7\n', 'sshd: 192.0.2.7'), undefined);
    assert.equal(removeLine('sshd: 192.0.2.70\n', 'sshd: 192.0.2.7'), undefined);
  });
});

/** Writes the file with an old time: after a recent change the daemon waits. */
function write(content: string): void {
  writeFileSync(file, content);
  utimesSync(file, 1_700_000_000, 1_700_000_000);
}
