/**
 * Turns the counts of V8 from every process of a test run (NODE_V8_COVERAGE) into a table of folders. Exits with 1
 * below the thresholds. c8 does the work: it maps the built programs, and the sources that tsx loaded, back to the
 * same sources.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const RAW = join(ROOT, 'coverage/raw');
const REPORT = join(ROOT, 'coverage');
const PRODUCT = ['shared', 'server', 'client', 'scripts'];
/** Programs that make the product and its documents, and are not part of it. */
const NO_PRODUCT = [
  'scripts/gen-vectors.ts',
  'scripts/demonstration/demo.ts',
  'scripts/demonstration/demo-listen.ts',
  'scripts/build/**',
  'scripts/lab/**',
  'scripts/recording/main.ts',
];
const LEAST = { lines: 95, branches: 90 } as const;

interface Part {
  readonly total: number;
  readonly covered: number;
}
type Parts = Readonly<Record<keyof typeof LEAST, Part>>;

const files = PRODUCT.flatMap((folder) =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((file) => join(folder, file)),
).filter((file) => file.endsWith('.ts'));
const excluded = [...NO_PRODUCT, 'test/**', 'node_modules/**', ...files.filter(isOnlyTypes)];
const { status } = spawnSync(
  process.execPath,
  [
    join(ROOT, 'node_modules/c8/bin/c8.js'),
    'report',
    ...['--temp-directory', RAW, '--reports-dir', REPORT, '--all', '--merge-async', '--exclude-after-remap'],
    ...PRODUCT.flatMap((folder) => ['--include', `${folder}/**/*.ts`]),
    ...excluded.flatMap((pattern) => ['--exclude', pattern]),
    ...['--reporter', 'json-summary', '--reporter', 'lcovonly'],
  ],
  { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, NODE_V8_COVERAGE: '' } },
);
if (status !== 0) process.exit(1);

const summary = JSON.parse(readFileSync(join(REPORT, 'coverage-summary.json'), 'utf8')) as Record<string, Parts>;
const folders = new Map<string, Parts[]>();
for (const [file, parts] of Object.entries(summary)) {
  if (file === 'total') continue;
  const folder = dirname(relative(ROOT, file));
  folders.set(folder, [...(folders.get(folder) ?? []), parts]);
}
console.log('\ncoverage             lines  branches');
for (const [folder, parts] of [...folders].sort(([a], [b]) => (a < b ? -1 : 1))) console.log(row(folder, parts));
const all = [...folders.values()].flat();
console.log(row('all', all));
let failed = all.length === 0;
for (const kind of ['lines', 'branches'] as const) {
  if (percent(all, kind) >= LEAST[kind]) continue;
  failed = true;
  console.log(`coverage: ${kind} are below ${LEAST[kind]} %; coverage/lcov.info says which`);
}
process.exitCode = failed ? 1 : 0;

function row(name: string, parts: readonly Parts[]): string {
  const [lines, branches] = (['lines', 'branches'] as const).map((kind) => percent(parts, kind).toFixed(1).padStart(6));
  return `  ${name.padEnd(18)} ${lines}    ${branches}`;
}

function percent(parts: readonly Parts[], kind: keyof Parts): number {
  const sum = (field: keyof Part) => parts.reduce((total, part) => total + part[kind][field], 0);
  return sum('total') === 0 ? 100 : (100 * sum('covered')) / sum('total');
}

/** A file with only types is never loaded, and has nothing to cover. */
function isOnlyTypes(file: string): boolean {
  if (file.endsWith('.d.ts')) return true;
  const { outputText } = ts.transpileModule(readFileSync(join(ROOT, file), 'utf8'), {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023, removeComments: true },
  });
  return outputText.replace('export {};', '').trim() === '';
}
