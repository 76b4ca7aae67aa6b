/**
 * A process that uses lines of a one-time file, so that a test can kill it at any step of a strike, or run two of them
 * on one file. It writes what it is about to use, and what it has used, directly into its pipe: a line that was read is
 * true.
 *
 *   until STEPS PATH AHEAD...   strikes; each AHEAD is how many unspent lines to skip; SIGKILL at the STEPSth step
 *   take PATH                   takes line after line until none is left
 *   hold PATH                   strikes once and stops with the lock held, for ever
 *   full-disk FOLDER            on a small file system of its own (needs a mount namespace), checks itself
 *   once PATH                   strikes the first unspent line
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { KnockError } from '../../../shared/errors.ts';
import { OneTimeFile } from '../../../shared/files/one-time-file.ts';
import { isUnspent } from '../../../shared/formats/sequences-file.ts';
import { sayAtOnce } from '../host/say.ts';

const [mode, ...words] = process.argv.slice(2);
if (mode === 'until') await strikeUntilKilled(Number(words[0]), words[1] ?? '', words.slice(2).map(Number));
else if (mode === 'take') await takeAll(words[0] ?? '');
else if (mode === 'hold') await hold(words[0] ?? '');
else if (mode === 'once') await once(words[0] ?? '');
else if (mode === 'full-disk') await fillTheDisk(words[0] ?? '');
else assert.fail(`unknown mode ${mode}`);

function say(line: string): void {
  sayAtOnce(1, line);
}

async function strikeUntilKilled(steps: number, path: string, aheads: readonly number[]): Promise<void> {
  let seen = 0;
  const file = new OneTimeFile(path, {
    onStep: () => {
      seen += 1;
      if (seen === steps) process.kill(process.pid, 'SIGKILL');
    },
  });
  for (const ahead of aheads) {
    const unspent = (await file.read()).filter(isUnspent).slice(0, ahead + 1);
    const used = unspent.pop();
    if (used === undefined) return;
    say(`begin ${ahead + 1}`);
    assert.equal(await file.strike(used, unspent), 'struck');
    say(`used ${used.key}`);
  }
}

async function takeAll(path: string): Promise<void> {
  const file = new OneTimeFile(path, { waitMs: 60_000 });
  say('ready');
  for (;;) {
    const taken = await file.take();
    if (taken === undefined) return;
    say(`used ${taken.line.key}`);
  }
}

async function hold(path: string): Promise<void> {
  const forever = new SharedArrayBuffer(4);
  const file = new OneTimeFile(path, {
    onStep: (step) => {
      if (step !== 'locked') return;
      say('locked');
      Atomics.wait(new Int32Array(forever), 0, 0);
    },
  });
  await file.take();
}

async function once(path: string): Promise<void> {
  const taken = await new OneTimeFile(path).take();
  say(`used ${taken?.line.key}`);
}

/**
 * A strike in place needs no space. A strike that rewrites the file needs space, and without it fails without a trace.
 */
async function fillTheDisk(mountPoint: string): Promise<void> {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k,mode=0700', 'tmpfs', mountPoint]);
  const path = join(mountPoint, 'sequences');
  const text = ' 1000,2000\n1001,2001\n'.concat('# filler\n'.repeat(1000));
  writeFileSync(path, text, { mode: 0o600 });
  const filler = join(mountPoint, 'filler');
  assert.throws(() => writeFileSync(filler, Buffer.alloc(1024 * 1024)), { code: 'ENOSPC' });
  const file = new OneTimeFile(path);
  assert.equal((await file.take())?.line.number, 1);
  const struck = text.replace(' 1000', '#1000');
  assert.equal(readFileSync(path, 'utf8'), struck);
  await assert.rejects(file.take(), (error) => {
    assert(error instanceof KnockError && error.code === 'STORE', String(error));
    assert.match(error.hint ?? '', /disk is full/);
    return true;
  });
  assert.equal(readFileSync(path, 'utf8'), struck);
  assert.deepEqual(execFileSync('ls', ['-A', mountPoint], { encoding: 'utf8' }), 'filler\nsequences\n');
  rmSync(filler);
  assert.equal((await file.take())?.line.number, 2);
  execFileSync('mount', ['-o', 'remount,bind,ro', mountPoint]);
  say('read-only');
  await assert.rejects(file.take(), { code: 'STORE' });
}
