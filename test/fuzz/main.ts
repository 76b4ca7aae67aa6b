/** The program behind scripts/fuzz: chooses targets and budgets, and reports and stores the findings. */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { writeCorpus } from './corpus.ts';
import type { Budget, Outcome } from './loop.ts';
import { fuzzTarget, loadTarget, targetEntry } from './session.ts';
import { type TargetName, targetNames } from './target.ts';

const USAGE = `usage: scripts/fuzz [TARGET...] [--seconds N | --inputs N | --forever] [--seed N] [--keep]
       scripts/fuzz TARGET --input FILE
targets: ${targetNames.join(' ')}; default all, 10 seconds each
  --seed N      repeats the inputs of this seed; default: a random seed, which is printed
  --keep        writes test/fuzz/corpus/TARGET again: the fewest inputs that reach the same branches
  --input FILE  runs one input that was saved after a failure`;

const { values, positionals } = parsed();
const budget: Budget = {
  inputs: values.inputs === undefined ? Number.POSITIVE_INFINITY : wholeNumber('inputs', values.inputs),
  seconds:
    values.forever || values.inputs !== undefined
      ? Number.POSITIVE_INFINITY
      : wholeNumber('seconds', values.seconds ?? '10'),
};
const seed = values.seed === undefined ? Date.now() % 1_000_000 : wholeNumber('seed', values.seed);
const names = positionals.length === 0 ? targetNames : positionals.map(targetName);
let failed = false;
process.on('uncaughtException', (error) => {
  // The product left a promise without a handler. One of the last inputs caused it.
  console.error(`fuzz: uncaught in seed ${seed}: ${error.stack}`);
  process.exit(1);
});
if (values.input !== undefined) await runOne(names[0] ?? 'packet', values.input);
else if (values.forever) {
  // Takes turns, so that every target gets its time.
  for (let turn = 0; !failed; turn += 1)
    for (const name of names) await fuzz(name, { ...budget, seconds: 60 }, seed + turn);
} else for (const name of names) await fuzz(name, budget, seed);
process.exitCode = failed ? 1 : 0;

async function fuzz(name: TargetName, budget: Budget, seed: number): Promise<void> {
  const { outcome, failure } = await fuzzTarget(name, budget, seed);
  console.log(`${name}: ${summary(outcome)}, seed ${seed}`);
  if (failure !== undefined) {
    failed = true;
    console.error(`fuzz: ${failure}`);
  } else if (values.keep) writeCorpus(name, outcome.kept);
}

async function runOne(name: TargetName, file: string): Promise<void> {
  const { target } = await loadTarget(targetEntry(name));
  await target.begin?.();
  try {
    await target.run(new Uint8Array(readFileSync(file)), true);
    console.log(`${name}: holds`);
  } catch (error) {
    failed = true;
    console.error(`fuzz: ${name} failed: ${error instanceof Error ? error.stack : String(error)}`);
  }
  await target.end?.();
}

function summary({ inputs, seconds, reached, edges, kept }: Outcome): string {
  const rate = Math.round(inputs / seconds);
  return `${inputs} inputs in ${seconds.toFixed(1)} s (${rate}/s), ${reached} of ${edges} branches, ${kept.length} kept`;
}

function parsed() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        seconds: { type: 'string' },
        inputs: { type: 'string' },
        forever: { type: 'boolean', default: false },
        seed: { type: 'string' },
        keep: { type: 'boolean', default: false },
        input: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
  } catch (error) {
    return usage((error as Error).message);
  }
}

function targetName(text: string): TargetName {
  return targetNames.find((name) => name === text) ?? usage(`no target is called ${text}`);
}

function wholeNumber(option: string, text: string): number {
  return /^[0-9]{1,12}$/.test(text) ? Number(text) : usage(`--${option} is a whole number`);
}

function usage(problem: string): never {
  console.error(`fuzz: ${problem}\n${USAGE}`);
  process.exit(2);
}
