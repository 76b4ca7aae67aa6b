/** `npm run check`: format, lint, types, and the quick tests of the files that changed. Prints what it runs and why. */
import { existsSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { changedFiles } from './check/changed-files.ts';
import { type Selection, selectTests } from './check/selection.ts';
import { readSourceTree } from './check/source-tree.ts';
import { runStep, runTests, type StepResult } from './check/steps.ts';

const USAGE = `usage: npm run check [-- [--since REV | FILE...] [--list]]
Checks format and lint (biome check), types (tsc -b), and runs the quick tests of what changed.
  (nothing)     what changed since the last commit (HEAD), with files that git does not track yet
  --since REV   what changed since this revision
  FILE...       these files
  --list        prints the tests and why each would run; runs nothing
Quick tests are the groups unit, property and golden. A test runs when
  it changed, or it imports a changed file, directly or through other files, or it names it;
  documents, manual pages, help, goldens or tests changed: tests of documents and goldens;
  package.json, a tsconfig or test/support/host changed: all quick tests.
"npm test" runs all groups, and knip.
exit codes: 0 all passed, 1 a check failed, 2 wrong usage`;

/** Reasons with at most so many tests are printed with the names of the tests. */
const NAMED_TESTS = 6;

const root = fileURLToPath(new URL('../', import.meta.url));
const startMs = performance.now();
const { files, origin, isListOnly } = parsed();
process.exitCode = await check();

async function check(): Promise<number> {
  say(`${counted(files.length, 'changed file')} (${origin})`);
  for (const file of files.slice(0, 20)) say(`  ${file}`);
  if (files.length > 20) say(`  and ${files.length - 20} more`);
  const selecting = readSourceTree(root).then(
    (tree) => selectTests(files, tree),
    (error: Error) => error,
  );
  if (isListOnly) {
    const selection = await selecting;
    if (selection instanceof Error) return failed('the import graph', selection.message);
    for (const [test, reason] of selection.tests) console.log(`${test}: ${reason}`);
    return 0;
  }
  const commands = { lint: ['biome', 'check', '.'], types: ['tsc', '-b'] };
  const lint = runStep(root, commands.lint);
  const types = runStep(root, commands.types);
  const selection = await selecting;
  // Tests load the sources, so most of them need not wait for the compiler.
  const tested = selection instanceof Error ? [] : await testAll(selection, types);
  const results = [
    report('format and lint', commands.lint.join(' '), await lint, 'npm run fix corrects most of it'),
    report('types', commands.types.join(' '), await types),
    ...tested.map(({ count, result }) => {
      const [sums = ''] = result.output.split('\n', 1);
      return report(counted(count, 'test file'), result.passed ? sums : 'see above', result);
    }),
  ];
  if (selection instanceof Error) return failed('the import graph', selection.message);
  const passed = !results.includes(false);
  say(`${passed ? 'all passed' : 'FAILED'} after ${((performance.now() - startMs) / 1000).toFixed(1)} s`);
  return passed ? 0 : 1;
}

interface Tested {
  readonly count: number;
  readonly result: StepResult;
}

async function testAll(selection: Selection, types: Promise<StepResult>): Promise<readonly Tested[]> {
  describe(selection);
  const [now, later] = [false, true].map((waits) =>
    [...selection.tests.keys()].filter((test) => selection.compiled.has(test) === waits),
  );
  const tested: Tested[] = [];
  for (const files of [now, later]) {
    if (files === later) await types;
    if (files !== undefined && files.length > 0) {
      tested.push({ count: files.length, result: await runTests(root, files) });
    }
  }
  return tested;
}

function describe({ tests, slow }: Selection): void {
  say(tests.size === 0 ? 'tests: no quick test uses what changed' : `tests: ${counted(tests.size, 'test file')}`);
  for (const reason of new Set(tests.values())) {
    const chosen = [...tests.keys()].filter((test) => tests.get(test) === reason);
    say(`  ${chosen.length}: ${reason}`);
    if (chosen.length <= NAMED_TESTS) for (const test of chosen) say(`    ${test}`);
  }
  if (slow.length > 0)
    say(`  not run here: ${counted(slow.length, 'test file')} of the slow groups; npm test runs all`);
}

/** Prints the output of a failed step, and one line for each step. Returns whether the step passed. */
function report(name: string, detail: string, { passed, seconds, output }: StepResult, hint?: string): boolean {
  if (!passed) process.stderr.write(`${output.trimEnd()}\n`);
  say(`${passed ? 'ok    ' : 'FAILED'} ${seconds.toFixed(1).padStart(5)} s  ${name}: ${detail}`);
  if (!passed && hint !== undefined) say(hint);
  return passed;
}

function failed(name: string, message: string): number {
  say(`FAILED ${name}:\n${message}`);
  return 1;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

function say(line: string): void {
  process.stderr.write(`check: ${line}\n`);
}

function parsed(): { readonly files: readonly string[]; readonly origin: string; readonly isListOnly: boolean } {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        since: { type: 'string' },
        list: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    if (values.help) {
      console.log(USAGE);
      process.exit(0);
    }
    if (positionals.length > 0 && values.since !== undefined) throw new Error('give files or --since, not both');
    const missing = positionals.find((file) => !existsSync(file));
    if (missing !== undefined) throw new Error(`there is no file ${missing}`);
    const revision = values.since ?? 'HEAD';
    const isGiven = positionals.length > 0;
    return {
      files: isGiven ? positionals.map((file) => relative(root, resolve(file))) : changedFiles(root, revision),
      origin: isGiven ? 'as given' : `since ${revision}`,
      isListOnly: values.list,
    };
  } catch (error) {
    console.error(`check: ${(error as Error).message}\n${USAGE}`);
    process.exit(2);
  }
}
