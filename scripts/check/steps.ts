/** Runs the commands of the check and measures them. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { partsOf } from './selection.ts';

export interface StepResult {
  readonly passed: boolean;
  readonly seconds: number;
  /** Standard output and standard error. */
  readonly output: string;
}

/** As many processes share the test files as in scripts/test. */
const PARTS = 4;

export async function runStep(root: string, argv: readonly string[]): Promise<StepResult> {
  const [program = '', ...args] = argv;
  const startMs = performance.now();
  const child = spawn(program, args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    // The programs of this repository, before others of the same name.
    env: { ...process.env, PATH: `${join(root, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve);
  });
  return { passed: code === 0, seconds: (performance.now() - startMs) / 1000, output };
}

/** Runs test files; `output` has the sums, and of the tests only those that failed. */
export async function runTests(root: string, files: readonly string[]): Promise<StepResult> {
  const folder = mkdtempSync(join(tmpdir(), 'knock-otp-check-'));
  try {
    const parts = partsOf(files, PARTS).map((part, at) => {
      const path = join(folder, `part-${at + 1}.mjs`);
      writeFileSync(path, part.map((file) => `import '${pathToFileURL(join(root, file))}';\n`).join(''));
      return path;
    });
    const workers = Math.min(PARTS, availableParallelism());
    const options = ['--import', 'tsx', '--test', `--test-concurrency=${workers}`, '--test-reporter=spec'];
    const result = await runStep(root, [process.execPath, ...options, ...parts]);
    return { ...result, output: reportOf(result.output, folder) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The end of the spec reporter's output: what failed, after the sums. The whole output when a part did not load. */
function reportOf(output: string, folder: string): string {
  const sums = ['pass', 'fail', 'skipped'].map((name) => {
    const count = new RegExp(`^ℹ ${name} (\\d+)$`, 'm').exec(output)?.[1] ?? '?';
    return `${count} ${{ pass: 'passed', fail: 'failed' }[name] ?? name}`;
  });
  const at = output.indexOf('✖ failing tests:');
  const failures = at === -1 ? '' : output.slice(at);
  return failures.includes(folder) ? output : `${sums.join(', ')}\n${failures}`;
}
