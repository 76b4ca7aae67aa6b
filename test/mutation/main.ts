/**
 * `scripts/mutation`: puts small faults into sources, one at a time, and checks that some test notices each. Stores
 * every verdict, so that an interrupted run can continue.
 */
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { bundleTests } from './bundle.ts';
import { instrument, type Mutation } from './instrument.ts';
import { Judge } from './judge.ts';
import { digestOf, type Result, Results, scoreOf } from './results.ts';

const repository = fileURLToPath(new URL('../../', import.meta.url));
const results = new Results(join(repository, 'dist/mutation'));
const FOLDERS = [
  'shared',
  'shared/files',
  'shared/formats',
  'shared/command-line',
  'server/core',
  'server/core/matching',
  'server/core/packet',
];
/** The least share of noticed mutants, of all mutants that count. */
const GOAL_PERCENT = 85;
/** An interrupted run loses at most this many verdicts. */
const KEEP_EACH = 10;

const { values, positionals } = parseArgs({
  options: {
    minutes: { type: 'string' },
    again: { type: 'boolean', default: false },
    report: { type: 'boolean', default: false },
  },
  allowPositionals: true,
});
const endsAt = performance.now() + Number(values.minutes ?? 'Infinity') * 60_000;
// Type declarations hold no code.
const files = (positionals.length > 0 ? positionals.flatMap(matching) : FOLDERS.flatMap(sourcesOf)).filter(
  (name) => name.endsWith('.ts') && !name.endsWith('.d.ts'),
);

function sourcesOf(folder: string): readonly string[] {
  return readdirSync(join(repository, folder)).map((name) => `${folder}/${name}`);
}

/** `shared/*.ts` in quotes means all sources of the folder; any other argument is one file. */
function matching(given: string): readonly string[] {
  return given.endsWith('/*.ts') ? sourcesOf(dirname(given)) : [given];
}

/** One file's mutants and the verdicts on them. */
class Subject {
  readonly file: string;
  readonly path: string;
  readonly content: string;
  #judged: Map<string, Result>;
  #seconds: number;

  constructor(file: string) {
    this.file = file;
    this.path = join(repository, file);
    this.content = readFileSync(this.path, 'utf8');
    const kept = results.of(file, digestOf(this.content));
    this.#judged = new Map(kept.results.map((result) => [keyOf(result), result]));
    this.#seconds = kept.seconds;
  }

  /** The mutants to judge: without a verdict, or with --again also those that no test noticed. */
  open(mutations: readonly Mutation[]): readonly Mutation[] {
    return mutations.filter((mutation) => {
      const fate = this.#judged.get(keyOf(mutation))?.fate;
      return fate === undefined || (values.again && (fate === 'survived' || fate === 'unreached'));
    });
  }

  note(result: Result, seconds: number): void {
    this.#judged.set(keyOf(result), result);
    this.#seconds += seconds;
  }

  keep(): void {
    const [source, seconds] = [digestOf(this.content), this.#seconds];
    results.keep(this.file, { source, results: [...this.#judged.values()], seconds });
  }
}

/** A key of the mutant, which stays the same until the source changes. */
function keyOf({ line, column, end, mutator, replacement }: Mutation): string {
  return `${line}:${column}-${end} ${mutator} ${replacement}`;
}

/**
 * All files share one bundle, because finding out which test reaches what takes longer than the mutants of most files.
 */
async function judgeAll(): Promise<void> {
  const instrumented = await instrument(files.map((file) => new Subject(file)));
  const work = files.map((file) => {
    const subject = new Subject(file);
    return { subject, open: subject.open(instrumented.get(subject.path)?.mutations ?? []) };
  });
  const unfinished = work.filter(({ open }) => open.length > 0);
  if (unfinished.length === 0) return;
  const bundle = join(repository, `test/mutation/bundled-${process.pid}.mjs`);
  try {
    const codes = unfinished.map(({ subject: { path } }) => [path, instrumented.get(path)?.code ?? ''] as const);
    await bundleTests(new Map(codes), bundle);
    await using judge = new Judge(bundle);
    for (const failure of await judge.prepare()) say(`left out, because it fails without a mutant: ${failure}`);
    for (const { subject, open } of unfinished) {
      for (const [at, mutation] of open.entries()) {
        if (performance.now() > endsAt) return say(`the time is over in ${subject.file}: run it again to continue`);
        const startedAt = performance.now();
        const verdict = await judge.judge(mutation.id);
        subject.note({ ...mutation, ...verdict }, (performance.now() - startedAt) / 1000);
        if (at % KEEP_EACH === 0) subject.keep();
      }
      subject.keep();
    }
  } finally {
    for (const { subject } of unfinished) subject.keep();
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

function tell(file: string, source: string, { line, column, end, fate, mutator, replacement }: Result): void {
  const text = source.split('\n')[line - 1]?.slice(column - 1) ?? '';
  const what = replacement.replaceAll(/\s+/g, ' ').slice(0, 120);
  process.stdout.write(`  ${file}:${line}:${column}-${end} ${fate} ${mutator}: ${text.slice(0, 100)} -> ${what}\n`);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

if (!values.report) await judgeAll();
process.exitCode = report();
