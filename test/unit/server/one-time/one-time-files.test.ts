/** The one-time files of doors while the daemon runs: ids, edits, strikes and the log. Tests wait only for events. */
import assert from 'node:assert/strict';
import { appendFileSync, chmodSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import type { Log } from '../../../../server/log/log.ts';
import { OneTimeFiles, type OneTimeFilesOptions } from '../../../../server/one-time/one-time-files.ts';
import { scratchFolder, writeSequences } from '../../../support/core/sequence-files.ts';
import { startFiles, type World } from './one-time-world.ts';

const folder = scratchFolder();
let made = 0;

async function start(t: TestContext, content: string, lookAhead = 1, more: Partial<OneTimeFilesOptions> = {}) {
  made += 1;
  return await startFiles(t, writeSequences(join(folder, `door-${made}`), content), lookAhead, more);
}

function replace(path: string, content: string): void {
  writeSequences(`${path}.edited`, content);
  renameSync(`${path}.edited`, path);
}

/** A sequence in the log would no longer be secret. */
function assertNoPorts(world: World): void {
  for (const line of world.said) assert.doesNotMatch(line.replaceAll(world.path, 'FILE'), /\b7\d{3}\b/);
}

describe('the lines of a door', () => {
  test('when it starts then the unspent lines are given in the order of the file', async (t) => {
    const world = await start(t, '# head\n#7000\n 7001,8001:udp\n7002\n');
    assert.deepEqual(
      world.offered.get('ssh')?.map(({ pairs }) => pairs),
      [[7001, 65536 + 8001], [7002]],
    );
    assert.equal(world.state().left, 2);
    assertNoPorts(world);
  });

  test('when the file is appended to, replaced or truncated then lines keep their ids', async (t) => {
    const world = await start(t, ' 7001\n 7002\n');
    const [one, two] = world.ids();
    await world.after(() => appendFileSync(world.path, ' 7003\n'));
    assert.deepEqual(world.ports(), [7001, 7002, 7003]);
    const [, , three] = world.ids();
    await world.after(() => replace(world.path, ' 7004\n 7003\n 7001\n'));
    assert.deepEqual(world.ports(), [7004, 7003, 7001]);
    assert.deepEqual(world.ids().slice(1), [three, one]);
    await world.after(() => writeFileSync(world.path, ' 7001\n'));
    assert.deepEqual(world.ids(), [one]);
    await world.after(() => writeFileSync(world.path, ' 7002\n 7001\n'));
    assert.deepEqual(world.ids(), [two, one]);
  });

  test('when somebody else strikes a line then it is no longer given', async (t) => {
    const world = await start(t, ' 7001\n 7002\n');
    await world.after(() => replace(world.path, '#7001\n 7002\n'));
    assert.deepEqual(world.ports(), [7002]);
  });

  test('when an edit changes nothing that counts then nothing is given', async (t) => {
    const world = await start(t, ' 7001\n 7002\n');
    world.offered.clear();
    writeFileSync(world.path, '# a comment\n7001\n\t7002');
    await world.files.reread();
    assert.equal(world.offered.size, 0);
  });

  test('when a change is seen by polling only then it is seen', async (t) => {
    const world = await start(t, ' 7001\n', 1, { pollMs: 10 });
    // If the folder is moved, the kernel's watch moves with it.
    const away = join(folder, `away-${made}`);
    await world.after(() => renameSync(world.path, away));
    assert.deepEqual(world.ports(), []);
    await world.after(() => renameSync(away, world.path));
    assert.deepEqual(world.ports(), [7001]);
  });

  test('when two doors name one file then it is refused', () => {
    const door = { path: '/x', lookAhead: 1 };
    const options = {
      log: {} as Log,
      onLines: () => {},
      doors: [
        { ...door, name: 'a' },
        { ...door, name: 'b' },
      ],
    };
    assert.throws(() => new OneTimeFiles(options), { code: 'CONFIG_INVALID' });
  });
});

describe('what is wrong in a file', () => {
  test('when lines are malformed then their numbers are said, and the others are given', async (t) => {
    const world = await start(t, ' 7001\n7003x\n\n70000,7004\n 7002\n');
    assert.deepEqual(world.ports(), [7001, 7002]);
    assert(
      world.said.some((line) =>
        /warn lines that are not sequences are not used .*lines="2,4" reason="knock 1/.test(line),
      ),
    );
    assert.deepEqual(
      world.state().notes.malformed.map(({ line }) => line),
      [2, 4],
    );
    assertNoPorts(world);
  });

  test('when a line repeats an earlier one, struck or not, then it is not given and its number is said', async (t) => {
    const world = await start(t, '#7001\n 7002\n7001\n7002:tcp\n');
    assert.deepEqual(world.ports(), [7002]);
    assert(
      world.said.some((line) => /repeat an earlier one.*lines="3,4"/.test(line)),
      world.said.join('\n'),
    );
  });

  test('when others can read the file then the door has no lines until that is put right', async (t) => {
    const world = await start(t, ' 7001\n');
    await world.after(() => chmodSync(world.path, 0o644));
    assert.deepEqual(world.ports(), []);
    assert.match(world.state().problem ?? '', /can be read by others/);
    assert(world.said.some((line) => line.startsWith('error no one-time sequences: this door stays shut')));
    await world.after(() => chmodSync(world.path, 0o600));
    assert.deepEqual(world.ports(), [7001]);
    assert.equal(world.state().problem, undefined);
    assertNoPorts(world);
  });

  test('when the file is not there at the start then the door is shut, and opens when it comes', async (t) => {
    const missing = join(folder, 'comes-later');
    const world = await start(t, '', 1, { doors: [{ name: 'ssh', path: missing, lookAhead: 1 }] });
    assert.match(world.state().problem ?? '', /ENOENT/);
    await world.after(() => writeSequences(missing, ' 7001\n'));
    assert.deepEqual(world.ports(), [7001]);
    await world.after(() => rmSync(missing));
    assert.deepEqual(world.ports(), []);
  });
});

describe('a strike', () => {
  test('when a line is struck then it is so in the file, and a second time is no error', async (t) => {
    const world = await start(t, ' 7001\n7002\n');
    const [one = 0] = world.ids();
    await world.files.strike('ssh', one);
    assert.equal(readFileSync(world.path, 'utf8'), '#7001\n7002\n');
    await world.files.strike('ssh', one);
    assert.equal(readFileSync(world.path, 'utf8'), '#7001\n7002\n');
    assert.equal(world.state().left, 1);
  });

  test('when a later line is used then the live ones before it are struck, and no others', async (t) => {
    const world = await start(t, ' 7001\n 7002\n 7003\n 7004\n', 3);
    await world.files.strike('ssh', world.ids()[2] ?? 0);
    assert.equal(readFileSync(world.path, 'utf8'), '#7001\n#7002\n#7003\n 7004\n');
    assert(world.said.some((line) => /skipped lines are struck too door=ssh lines=2/.test(line)));
  });

  test('when lines were put above the used one meanwhile then those stay', async (t) => {
    const world = await start(t, ' 7001\n 7002\n', 2);
    const two = world.ids()[1] ?? 0;
    await world.after(() => replace(world.path, ' 7008\n 7009\n 7001\n 7002\n'));
    await world.files.strike('ssh', two);
    assert.equal(readFileSync(world.path, 'utf8'), ' 7008\n 7009\n#7001\n#7002\n');
  });

  test('when somebody else struck the line first then it may not open anything', async (t) => {
    const world = await start(t, ' 7001\n 7002\n');
    const [one = 0, two = 0] = world.ids();
    writeFileSync(world.path, '#7001\n');
    await assert.rejects(world.files.strike('ssh', one), { code: 'FACTOR_USED' });
    await assert.rejects(world.files.strike('ssh', two), { code: 'FACTOR_USED' });
    await assert.rejects(world.files.strike('ssh', 99), { code: 'STORE' });
    await assert.rejects(world.files.strike('web', one), { code: 'STORE' });
    assertNoPorts(world);
  });

  test('when a strike fails then it can be tried again, and the line is not given meanwhile', async (t) => {
    const world = await start(t, ' 7001\n 7002\n');
    const [one = 0] = world.ids();
    chmodSync(world.path, 0o640);
    await assert.rejects(world.files.strike('ssh', one), { code: 'INSECURE_FILE' });
    chmodSync(world.path, 0o600);
    await world.after(() => appendFileSync(world.path, ' 7003\n'));
    assert.equal(readFileSync(world.path, 'utf8'), ' 7001\n 7002\n 7003\n');
    assert.deepEqual(world.ports(), [7002, 7003]);
    await world.files.strike('ssh', one);
    assert.equal(readFileSync(world.path, 'utf8'), '#7001\n 7002\n 7003\n');
  });

  test('when an old copy is put back then what was used is struck again and never given', async (t) => {
    const world = await start(t, ' 7001\n 7002\n 7003\n');
    await world.files.strike('ssh', world.ids()[0] ?? 0);
    replace(world.path, ' 7001\n 7002\n');
    await world.files.reread();
    assert.deepEqual(world.ports(), [7002]);
    assert.equal(readFileSync(world.path, 'utf8'), '#7001\n 7002\n');
    assert(world.said.some((line) => /warn lines that were used are unstruck again.*lines=1/.test(line)));
  });

  test('when the file is read between use and strike then the line is given with the same id', async (t) => {
    // The engine knows a spent line by this id.
    const world = await start(t, ' 7001\n 7002\n');
    const [one] = world.ids();
    await world.after(() => appendFileSync(world.path, ' 7003\n'));
    assert.equal(world.ids()[0], one);
  });
});

describe('what is left', () => {
  test('when few lines are left then each use warns, and at the end the door is said to be shut', async (t) => {
    const world = await start(t, ' 7001\n 7002\n 7003\n', 1, { warnLeft: 1 });
    const [one = 0, two = 0, three = 0] = world.ids();
    await world.files.strike('ssh', one);
    assert(!world.said.some((line) => line.startsWith('warn')));
    await world.files.strike('ssh', two);
    assert(world.said.includes('warn few one-time sequences are left door=ssh left=1'));
    await world.files.strike('ssh', three);
    assert(world.said.includes('error the one-time sequences are used up: this door stays shut door=ssh left=0'));
    await world.after(() => appendFileSync(world.path, ' 7004\n'));
    assert.deepEqual(world.ports(), [7004]);
  });

  test('when one door is used up from the start then the others are not touched', async (t) => {
    const other = writeSequences(join(folder, 'other'), ' 7001\n');
    const empty = writeSequences(join(folder, 'empty'), '#7001\n# nothing\n');
    const world = await start(t, '', 1, {
      doors: [
        { name: 'ssh', path: empty, lookAhead: 1 },
        { name: 'web', path: other, lookAhead: 1 },
      ],
    });
    assert.equal(world.state().left, 0);
    assert.equal(world.files.state('web')?.left, 1);
    assert(world.said.some((line) => line.startsWith('error the one-time sequences are used up')));
    const [line] = world.offered.get('web') ?? [];
    await world.files.strike('web', line?.id ?? 0);
    assert.equal(readFileSync(other, 'utf8'), '#7001\n');
  });
});
