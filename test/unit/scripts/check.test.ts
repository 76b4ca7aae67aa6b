/** Which tests `npm run check` chooses for a change: a small tree of sources, and this repository. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { changedFiles } from '../../../scripts/check/changed-files.ts';
import { partsOf, type SourceTree, selectTests } from '../../../scripts/check/selection.ts';
import { readSourceTree } from '../../../scripts/check/source-tree.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** Files, each with what it imports and what else is in its text. */
const FILES: Readonly<Record<string, readonly [imports: readonly string[], text?: string]>> = {
  'shared/errors.ts': [[]],
  'server/core/door.ts': [['shared/errors.ts']],
  'server/core/policy.ts': [['server/core/door.ts', 'shared/errors.ts']],
  'client/run.ts': [['shared/errors.ts'], 'see vectors.json'],
  'test/support/core/doors.ts': [['server/core/door.ts']],
  'test/support/daemon/store-child.ts': [['server/core/door.ts']],
  'test/support/host/built.ts': [[]],
  'test/unit/policy.test.ts': [['server/core/policy.ts']],
  'test/unit/run.test.ts': [['client/run.ts']],
  'test/unit/odds.test.ts': [[], "'../vectors/vectors.json'"],
  'test/unit/documents/manual.test.ts': [[], "'../../man'"],
  'test/property/matcher.test.ts': [['test/support/core/doors.ts']],
  'test/property/store.test.ts': [['test/support/host/built.ts'], "supportProgram('daemon/store-child')"],
  'test/golden/client.test.ts': [[]],
  'test/e2e/door.test.ts': [['server/core/policy.ts']],
};

const tree: SourceTree = {
  imports: new Map(Object.entries(FILES).map(([file, [imports]]) => [file, imports])),
  texts: new Map(Object.entries(FILES).map(([file, [, text = '']]) => [file, text])),
};

const cases: readonly (readonly [what: string, changed: readonly string[], chosen: readonly string[]])[] = [
  ['nothing changed', [], []],
  ['a test imports the file', ['server/core/policy.ts'], ['unit/policy']],
  [
    'tests reach the file through others',
    ['server/core/door.ts'],
    ['property/matcher', 'property/store', 'unit/policy'],
  ],
  ['a test itself changed', ['test/unit/run.test.ts'], ['golden/client', 'unit/documents/manual', 'unit/run']],
  ['a support file changed', ['test/support/core/doors.ts'], ['property/matcher']],
  ['a program that a test starts by its name', ['test/support/daemon/store-child.ts'], ['property/store']],
  ['data that a test reads; a comment elsewhere counts for nothing', ['test/vectors/vectors.json'], ['unit/odds']],
  ['a document', ['docs/CLIENT.md'], ['golden/client', 'unit/documents/manual']],
  ['a document in the root', ['README.md'], ['golden/client', 'unit/documents/manual']],
  ['a manual page', ['man/knock-otp.1'], ['golden/client', 'unit/documents/manual']],
  ['help', ['client/cli/program.ts'], ['golden/client', 'unit/documents/manual']],
  ['a golden file', ['test/golden/client/help.txt'], ['golden/client', 'unit/documents/manual']],
  ['a deleted file that no file imports', ['server/core/gone.ts'], []],
];

for (const [what, changed, chosen] of cases) {
  test(`the tests for a change: ${what}`, () => {
    const found = [...selectTests(changed, tree).tests.keys()];
    assert.deepEqual(
      found.sort(),
      chosen.map((name) => `test/${name}.test.ts`),
    );
  });
}

for (const file of [
  'package.json',
  'package-lock.json',
  'tsconfig.base.json',
  'server/core/tsconfig.json',
  'test/support/host/stage.ts',
]) {
  test(`all quick tests run when ${file} changed`, () => {
    const quick = Object.keys(FILES).filter((name) => /^test\/(?:unit|property|golden)\//.test(name));
    assert.deepEqual([...selectTests([file], tree).tests.keys()].sort(), quick.sort());
  });
}

test('each test has a reason, and tests of the slow groups are counted and not chosen', () => {
  const { tests, slow } = selectTests(['server/core/policy.ts'], tree);
  assert.deepEqual([...tests], [['test/unit/policy.test.ts', 'uses server/core/policy.ts']]);
  assert.deepEqual(slow, ['test/e2e/door.test.ts']);
});

test('tests that start compiled programs wait for the compiler', () => {
  assert.deepEqual([...selectTests(['server/core/door.ts'], tree).compiled], ['test/property/store.test.ts']);
});

test('parts hold every file once, and there are no empty parts', () => {
  assert.deepEqual(partsOf(['a', 'b', 'c', 'd', 'e'], 4), [['a', 'e'], ['b'], ['c'], ['d']]);
  assert.deepEqual(partsOf(['a'], 4), [['a']]);
  assert.deepEqual(partsOf([], 4), []);
});

test('in this repository a change of policy selects its tests, and a change of errors selects more', async () => {
  const here = await readSourceTree(root);
  const policy = selectTests(['server/core/policy.ts'], here).tests;
  const errors = selectTests(['shared/errors.ts'], here).tests;
  assert.ok(policy.has('test/unit/server/core/policy.test.ts'));
  assert.ok(policy.has('test/property/server/daemon/admissions.test.ts'));
  assert.ok(!policy.has('test/unit/shared/odds.test.ts'));
  assert.ok(errors.size > policy.size && policy.size > 10, `${errors.size}, ${policy.size}`);
  const child = selectTests(['test/support/client/reserving-client.ts'], here).tests;
  assert.ok(child.has('test/property/client/factor-ledger.test.ts'));
});

test('changed, deleted, renamed and new files are found; ignored files are not', () => {
  const folder = mkdtempSync(join(tmpdir(), 'knock-otp-check-'));
  const git = (...args: readonly string[]): void => {
    const own = ['-c', 'user.name=x', '-c', 'user.email=x@example.org', '-c', 'commit.gpgsign=false'];
    assert.equal(spawnSync('git', [...own, ...args], { cwd: folder }).status, 0, args.join(' '));
  };
  try {
    for (const name of ['same', 'changed', 'deleted', 'old name']) writeFileSync(join(folder, name), `${name}\n`);
    writeFileSync(join(folder, '.gitignore'), 'ignored\n');
    git('init', '-q');
    git('add', '.');
    git('commit', '-qm', 'first');
    writeFileSync(join(folder, 'changed'), 'otherwise\n');
    rmSync(join(folder, 'deleted'));
    git('mv', 'old name', 'new name');
    mkdirSync(join(folder, 'new'));
    for (const name of ['new/file', 'ignored']) writeFileSync(join(folder, name), '');
    assert.deepEqual(changedFiles(folder, 'HEAD'), ['changed', 'deleted', 'new name', 'new/file', 'old name']);
    assert.throws(() => changedFiles(folder, 'none'), /git knows no revision none/);
    assert.throws(() => changedFiles(folder, '--output=x'), /git knows no revision/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('the exit code is 0 for help and a list, and 2 for wrong usage', () => {
  const check = (...args: readonly string[]) =>
    spawnSync(process.execPath, ['--import', 'tsx', join(root, 'scripts/check.ts'), ...args], {
      cwd: root,
      encoding: 'utf8',
    });
  const help = check('--help');
  assert.deepEqual([help.status, help.stdout.startsWith('usage: npm run check')], [0, true]);
  const list = check('--list', 'server/core/policy.ts');
  assert.equal(list.status, 0, list.stderr);
  assert.match(list.stdout, /^test\/unit\/server\/core\/policy\.test\.ts: uses server\/core\/policy\.ts$/m);
  for (const args of [
    ['--nonsense'],
    ['--since', 'no-such-revision'],
    ['no/such/file'],
    ['--since', 'HEAD', 'README.md'],
  ]) {
    assert.equal(check(...args).status, 2, args.join(' '));
  }
});
