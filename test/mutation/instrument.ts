/**
 * Puts all mutants of the sources into them, each behind a switch, with Stryker's instrumenter. `main.ts` runs them,
 * because Stryker's core copies the project, starts again for every run, and stores nothing of an interrupted run.
 */
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import type { Mutant } from '@stryker-mutator/api/core';

export interface Mutation {
  /** The id of the switch; unique among the sources that were instrumented together. */
  readonly id: string;
  readonly line: number;
  readonly column: number;
  /** `line:column` of the end: a condition and its left side begin at the same place. */
  readonly end: string;
  readonly mutator: string;
  readonly replacement: string;
}

export interface Source {
  readonly path: string;
  readonly content: string;
}

export interface Instrumented {
  readonly code: string;
  readonly mutations: readonly Mutation[];
}

interface Instrumenter {
  instrument(
    files: readonly { readonly name: string; readonly mutate: true; readonly content: string }[],
    options: object,
  ): Promise<{
    readonly files: readonly { readonly name: string; readonly content: string }[];
    readonly mutants: readonly Mutant[];
  }>;
}

/** The result for each path. */
export async function instrument(sources: readonly Source[]): Promise<ReadonlyMap<string, Instrumented>> {
  const instrumenter = await loadInstrumenter();
  const options = { plugins: null, excludedMutations: [], ignorers: [] };
  const files = sources.map(({ path, content }) => ({ name: path, mutate: true as const, content }));
  const { files: written, mutants } = await instrumenter.instrument(files, options);
  return new Map(written.map(({ name, content }) => [name, { code: content, mutations: mutationsOf(mutants, name) }]));
}

function mutationsOf(mutants: readonly Mutant[], path: string): readonly Mutation[] {
  return mutants
    .filter(({ fileName }) => fileName === path)
    .map(({ id, location, mutatorName, replacement }) => ({
      id,
      line: location.start.line + 1,
      column: location.start.column + 1,
      end: `${location.end.line + 1}:${location.end.column + 1}`,
      mutator: mutatorName,
      replacement: replacement ?? '',
    }));
}

/** A part of Stryker's core, which is the installed package. */
async function loadInstrumenter(): Promise<Instrumenter> {
  const core = createRequire(import.meta.url).resolve('@stryker-mutator/core');
  const path = createRequire(core).resolve('@stryker-mutator/instrumenter');
  const module = (await import(pathToFileURL(path).href)) as { Instrumenter: new (logger: object) => Instrumenter };
  const silent = { debug() {}, info() {}, isDebugEnabled: () => false, warn() {}, error() {} };
  return new module.Instrumenter(silent);
}
