/** One-time files on a real file system: permissions, edits, other processes, and kill -9 at every step. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, test } from 'node:test';
import { KnockError } from '../../../shared/errors.ts';
import { OneTimeFile, type StrikeStep } from '../../../shared/files/one-time-file.ts';
import {
  isUnspent,
  parseSequencesFile,
  type SequenceLine,
  struckBytes,
} from '../../../shared/formats/sequences-file.ts';
import { scratchFolder, writeSequences } from '../../support/core/sequence-files.ts';
import { supportProgram } from '../../support/host/built.ts';

const ROUNDS = process.env['KNOCK_OTP_LONG'] !== undefined ? 1000 : process.env['CI'] === 'true' ? 100 : 40;
const isRoot = process.getuid?.() === 0;
const folder = scratchFolder();
const CHILD = supportProgram('faults/one-time-child');

/** Root of a user namespace with a single user cannot give files to others. */
const canGiveAway = isRoot && spawnSync('chown', ['12345:12345', mkdtempSync(join(folder, 'given-'))]).status === 0;

let made = 0;
function newFile(content: string, name = `file-${made + 1}`): string {
  made += 1;
  return writeSequences(join(folder, name), content);
}

function newFolder(): string {
  return mkdtempSync(join(folder, 'in-'));
}

function startChild(...words: readonly string[]): ChildProcess {
  return spawn(process.execPath, [CHILD, ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
}

async function linesOf(child: ChildProcess): Promise<string[]> {
  assert(child.stdout !== null);
  const lines: string[] = [];
  for await (const line of createInterface(child.stdout)) lines.push(line);
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return lines;
}

function refusal(code: string, words: RegExp): (error: unknown) => true {
  return (error) => {
    assert(error instanceof KnockError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(`${error.message}; ${error.hint}`, words);
    assert.doesNotMatch(`${error.message} ${error.hint}`, /7000|8000/);
    return true;
  };
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

describe('a disk without room, and one that cannot be written', () => {
  test('when the disk is full or read-only then a strike that needs room fails and leaves no trace', {
    skip: !isRoot && 'needs root',
  }, () => {
    const mountPoint = join(folder, 'mount');
    mkdirSync(mountPoint, { mode: 0o700 });
    const result = spawnSync(
      'unshare',
      ['-m', '--propagation', 'private', process.execPath, CHILD, 'full-disk', mountPoint],
      { encoding: 'utf8' },
    );
    assert.equal(result.status, 0, result.stderr);
    assert.match(result.stdout, /read-only/);
  });
});

describe('two processes at one file', () => {
  test('when both take lines until none is left then each line goes to exactly one of them', async () => {
    const count = 60;
    const content = Array.from({ length: count }, (_, at) => `${at % 2 === 0 ? ' ' : ''}${20_000 + at}`).join('\n');
    const path = newFile(content);
    const results = await Promise.all([startChild('take', path), startChild('take', path)].map(linesOf));
    const used = results.map((lines) => lines.filter((line) => line.startsWith('used ')));
    assert.equal(new Set(used.flat()).size, count);
    assert.equal(used.flat().length, count);
    assert(
      used.every((lines) => lines.length > 0),
      'they did not overlap',
    );
    assert.equal(readFileSync(path, 'utf8'), content.replaceAll(/^ ?/gm, '#'));
  });

  test('when one holds the lock then the other gives up in time, and goes on when the holder is killed', async () => {
    const path = newFile(' 7000\n 7001\n');
    const holder = startChild('hold', path);
    assert(holder.stdout !== null);
    await once(createInterface(holder.stdout), 'line');
    await assert.rejects(new OneTimeFile(path, { waitMs: 100 }).take(), refusal('STORE', /in use by another process/));
    assert.equal(readFileSync(path, 'utf8'), ' 7000\n 7001\n');
    const waiting = new OneTimeFile(path, { waitMs: 20_000 }).take();
    holder.kill('SIGKILL');
    assert.equal((await waiting)?.line.number, 1);
  });
});

describe('the order of system calls', () => {
  const hasStrace = spawnSync('strace', ['-f', '-o', '/dev/null', 'true']).status === 0;

  /**
   * The process's calls on the file, its copy and their folder, and the moment when it reported the line as its own.
   */
  function trace(path: string): string[] {
    const log = `${path}.trace`;
    const calls = 'trace=pwrite64,write,fdatasync,fsync,rename';
    execFileSync('strace', ['-f', '-y', '-e', calls, '-o', log, process.execPath, CHILD, 'once', path]);
    return readFileSync(log, 'utf8')
      .split('\n')
      .flatMap((line) => {
        const [, call = '', first = ''] = /^\d+ +(\w+)\(([^,)]*)/.exec(line) ?? [];
        if (line.includes('"used ')) return ['used'];
        if (first.includes(`<${folder}>`)) return [`${call} folder`];
        if (!first.includes(folder)) return [];
        return [`${call} ${first.includes(path) ? 'file' : 'copy'}`];
      });
  }

  test('when a line is struck in place then it is on the disk before it is used', {
    skip: !hasStrace && 'needs strace',
  }, () => {
    assert.deepEqual(trace(newFile(' 7000\n', 'traced-1')), ['pwrite64 file', 'fdatasync file', 'used']);
  });

  test('when the file is written anew then file and folder are on the disk before it is used', {
    skip: !hasStrace && 'needs strace',
  }, () => {
    assert.deepEqual(trace(newFile('7000\n', 'traced-2')), [
      'write copy',
      'fsync copy',
      'rename copy',
      'fsync folder',
      'used',
    ]);
  });
});

describe('kill -9 at any step', () => {
  test(`when a process is killed in ${ROUNDS} rounds then no line is used twice, struck wrongly, or lost but the one in hand`, async (t) => {
    const seed = Number(process.env['KNOCK_OTP_SEED'] ?? Date.now() % 2 ** 31);
    t.diagnostic(`KNOCK_OTP_SEED=${seed}`);
    const random = lcg(seed);
    const used = new Set<string>();
    const steps = new Map<string, number>();
    let next = 1024;
    let path = '';
    let original: Uint8Array = new Uint8Array();
    let all: readonly SequenceLine[] = [];
    let spent = 0;
    let killed = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      if (all.length - spent < 12) {
        const text = crowdedFile(random, () => {
          next += 1;
          return next;
        });
        path = newFile(text);
        original = Buffer.from(text);
        all = parseSequencesFile(original).filter(isUnspent);
        spent = 0;
      }
      const aheads = Array.from({ length: 3 }, () => random(3));
      const child = startChild('until', String(1 + random(18)), path, ...aheads.map(String));
      let inHand = 0;
      for (const line of await linesOf(child)) {
        const [word = '', rest = ''] = line.split(' ');
        if (word === 'begin') inHand = Number(rest);
        else {
          assert(!used.has(rest), `round ${round}: a second use`);
          used.add(rest);
          spent += inHand;
          assert.equal(rest, all[spent - 1]?.key, `round ${round}: the wrong line`);
          inHand = 0;
        }
        steps.set(word, (steps.get(word) ?? 0) + 1);
      }
      if (child.signalCode === 'SIGKILL') killed += 1;
      const now = readFileSync(path);
      const candidates = [spent, spent + inHand].map((count) =>
        Buffer.from(struckBytes(original, all.slice(0, count))),
      );
      const at = candidates.findIndex((candidate) => candidate.equals(now));
      assert(at >= 0, `round ${round}: the file is neither as before nor as after the strike in hand`);
      if (at === 1) spent += inHand;
    }
    assert(killed > ROUNDS / 2, `${killed} kills`);
    t.diagnostic(`${killed} kills, ${used.size} lines used, ${steps.get('begin')} strikes begun`);
    // The next strike that writes a new copy of the file removes all leftovers.
    const last = (await new OneTimeFile(path).read()).filter(isUnspent).slice(0, 2);
    assert(last[0] && last[1]);
    await new OneTimeFile(path).strike(last[1], [last[0]]);
    const leftovers = readdirSync(folder).filter((name) => name.startsWith(`.${path.slice(folder.length + 1)}.`));
    assert.deepEqual(leftovers, []);
  });
});

/** Sixty different sequences among all other kinds of lines. */
function crowdedFile(random: (below: number) => number, port: () => number): string {
  const others = ['', '# comment', 'bad,line', '#1,2,3', '  ', '70000', '\u00e4'];
  let text = '';
  for (let line = 0; line < 60; line += 1) {
    while (random(3) === 0) text += `${others[random(others.length)]}\n`;
    const lead = ['', ' ', '\t', '  '][random(4)];
    text += `${lead}7000,${port()},9000${random(2) === 0 ? ':udp' : ''}${random(2) === 0 ? '\r\n' : '\n'}`;
  }
  return text;
}

function lcg(seed: number): (below: number) => number {
  let state = BigInt(seed);
  return (below) => {
    state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
    return Number((state >> 33n) % BigInt(below));
  };
}
