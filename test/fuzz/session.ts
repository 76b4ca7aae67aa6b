/** Runs one target from its source to its findings, for the program and for the tests. */
import { mkdirSync } from 'node:fs';
import { basename, dirname, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { readCorpus, saveFailure, toLine } from './corpus.ts';
import { type Instrumented, instrument } from './instrument.ts';
import { type Budget, Loop, type Outcome } from './loop.ts';
import type { Target, TargetName } from './target.ts';

export interface Session {
  readonly outcome: Outcome;
  /** The failure, its input, and the command that repeats it. The input is saved. */
  readonly failure?: string;
}

const MOST_EDGES = 1 << 14;

export function targetEntry(name: TargetName): string {
  return fileURLToPath(new URL(`targets/${name}.ts`, import.meta.url));
}

export async function fuzzTarget(name: TargetName, budget: Budget, seed: number): Promise<Session> {
  const { target, edges, words, counts } = await loadTarget(targetEntry(name));
  await target.begin?.();
  const outcome = await new Loop(target, counts, edges, words, seed).run(readCorpus(name), budget);
  await target.end?.();
  if (outcome.failure === undefined) return { outcome };
  const { input, error } = outcome.failure;
  const failure = [
    `${name} failed: ${error instanceof Error ? error.stack : String(error)}`,
    `the input, ${input.length} bytes: ${toLine(input).slice(0, 500)}`,
    `again: scripts/fuzz ${name} --input ${relative(process.cwd(), saveFailure(name, input))}`,
    `or all of it: scripts/fuzz ${name} --seed ${seed} --inputs ${outcome.inputs}`,
  ].join('\n');
  return { outcome, failure };
}

export interface LoadedTarget extends Instrumented {
  readonly target: Target;
  readonly counts: Uint8Array;
}

export async function loadTarget(entry: string): Promise<LoadedTarget> {
  // In dist, from which node_modules is found, and which git ignores.
  const outfile = fileURLToPath(
    new URL(`../../dist/fuzz/${basename(entry, '.ts')}-${process.pid}.mjs`, import.meta.url),
  );
  mkdirSync(dirname(outfile), { recursive: true });
  const instrumented = await instrument(entry, outfile);
  if (instrumented.edges > MOST_EDGES) throw new Error(`${instrumented.edges} branches: raise MOST_EDGES`);
  const counts = new Uint8Array(MOST_EDGES);
  (globalThis as { __edges?: Uint8Array }).__edges = counts;
  // A bundle keeps the counters that exist when it is loaded. Another query loads another module.
  const { target } = (await import(`${pathToFileURL(outfile).href}?${performance.now()}`)) as { target: Target };
  return { ...instrumented, target, counts };
}
