/**
 * Crash safety of one-time files on a real file system: full disks, several processes at one file, the order of system
 * calls, and kill -9 at every step.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, test } from 'node:test';
import { OneTimeFile } from '../../../shared/files/one-time-file.ts';
import {
  isUnspent,
  parseSequencesFile,
  type SequenceLine,
  struckBytes,
} from '../../../shared/formats/sequences-file.ts';
import { scratchFolder, writeSequences } from '../../support/core/sequence-files.ts';
import { supportProgram } from '../../support/host/built.ts';
import { refusal } from './file-refusals.ts';

const ROUNDS = process.env['KNOCK_OTP_LONG'] !== undefined ? 1000 : process.env['CI'] === 'true' ? 100 : 40;
const isRoot = process.getuid?.() === 0;
const folder = scratchFolder();
const CHILD = supportProgram('faults/one-time-child');

let made = 0;
function newFile(content: string, name = `file-${made + 1}`): string {
  made += 1;
  return writeSequences(join(folder, name), content);
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
