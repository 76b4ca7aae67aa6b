/**
 * `scripts/mutation`: small faults put into sources one at a time, each of which some test must notice. File by file; what was
 * judged is kept at once, so that a run can be cut off and goes on where it was.
 */
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { bundleTests } from './bundle.ts';
import { instrument, type Mutation } from './instrument.ts';
import { Judge } from './judge.ts';
import { digestOf, type Result, Results, scoreOf } from './results.ts';

const repository = fileURLToPath(new URL('../../', import.meta.url));
const results = new Results(join(repository, 'dist/mutation'));
const FOLDERS = ['shared', 'server/core'];
/** Of all mutants that tests can reach. */
const GOAL_PERCENT = 85;
/** What is judged is kept at least so often. */
const KEEP_MS = 5000;

const { values, positionals } = parseArgs({
  options: {
    minutes: { type: 'string' },
    again: { type: 'boolean', default: false },
    report: { type: 'boolean', default: false },
  },
  allowPositionals: true,
});
const endsAt = performance.now() + Number(values.minutes ?? 'Infinity') * 60_000;
const files = positionals.length > 0 ? positionals : FOLDERS.flatMap(sourcesOf);

function sourcesOf(folder: string): readonly string[] {
  const names = readdirSync(join(repository, folder)).filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'));
  return names.map((name) => `${folder}/${name}`);
}

/** False when the time was over before all of it was judged. */
async function judgeFile(file: string): Promise<boolean> {
  const path = join(repository, file);
  const content = readFileSync(path, 'utf8');
  const source = digestOf(content);
  const { code, mutations } = await instrument(path, content);
  const before = results.of(file, source);
  const isDone = ({ fate }: Result) => !(values.again && (fate === 'survived' || fate === 'unreached'));
  const known = new Map(before.results.filter(isDone).map((result) => [result.id, result]));
  const open = mutations.filter(({ id }) => !known.has(id));
  if (open.length === 0) return true;
  const startedAt = performance.now();
  const bundle = join(repository, `test/mutation/bundled-${process.pid}.mjs`);
  // What was judged as survived is still that until it is judged again.
  const judged = new Map(before.results.map((result) => [result.id, result]));
  const keep = (): void => {
    const seconds = before.seconds + (performance.now() - startedAt) / 1000;
    results.keep(file, { source, results: [...judged.values()], seconds });
  };
  try {
    await bundleTests(path, code, bundle);
    await using judge = new Judge(bundle);
    for (const failure of await judge.prepare()) say(`notices nothing, since it fails without a mutant: ${failure}`);
    let keptAt = performance.now();
    for (const mutation of open) {
      if (performance.now() > endsAt) return false;
      judged.set(mutation.id, { ...mutation, ...(await judge.judge(mutation.id)) });
      if (performance.now() - keptAt < KEEP_MS) continue;
      keep();
      keptAt = performance.now();
    }
    return true;
  } finally {
    keep();
    rmSync(bundle, { force: true });
  }
}

function report(): number {
  let all: readonly Result[] = [];
  let seconds = 0;
  let missing = 0;
  for (const file of files) {
    const source = readFileSync(join(repository, file), 'utf8');
    const kept = results.of(file, digestOf(source));
    all = [...all, ...kept.results];
    seconds += kept.seconds;
    if (kept.results.length === 0) missing += 1;
    const { judged, noticed, survived, percent } = scoreOf(kept.results);
    say(`${file}: ${judged} judged, ${noticed} noticed, ${survived} not, ${percent.toFixed(1)} %`);
    for (const one of kept.results) if (one.fate === 'survived' || one.fate === 'unreached') tell(file, source, one);
  }
  const { judged, noticed, survived, percent } = scoreOf(all);
  say(`all: ${judged} judged, ${noticed} noticed, ${survived} not, ${percent.toFixed(1)} %, ${Math.round(seconds)} s`);
  if (missing > 0) say(`${missing} files were not judged`);
  return percent < GOAL_PERCENT ? 1 : 0;
}

function tell(file: string, source: string, { line, column, fate, mutator, replacement }: Result & Mutation): void {
  const text = source.split('\n')[line - 1]?.trim() ?? '';
  const what = replacement.replaceAll(/\s+/g, ' ').slice(0, 120);
  process.stdout.write(`  ${file}:${line}:${column} ${fate} ${mutator}: ${text.slice(0, 100)} -> ${what}\n`);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

if (!values.report) {
  for (const file of files) {
    if (await judgeFile(file)) continue;
    say(`the time is over in the midst of ${file}: call it again to go on`);
    break;
  }
}
process.exitCode = report();
