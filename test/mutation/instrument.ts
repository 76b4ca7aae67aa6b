/**
 * Puts all mutants of a source into it, each behind a switch, by Stryker's instrumenter. What runs them is ours: Stryker's own
 * core copies the project and starts anew for every run, and keeps nothing of one that was cut off.
 */
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import type { Mutant } from '@stryker-mutator/api/core';

export interface Mutation {
  /** Of the switch; unique in its source, and the same as long as the source is. */
  readonly id: string;
  readonly line: number;
  readonly column: number;
  readonly mutator: string;
  readonly replacement: string;
}

export interface Instrumented {
  readonly code: string;
  readonly mutations: readonly Mutation[];
}

interface Instrumenter {
  instrument(
    files: readonly { readonly name: string; readonly mutate: true; readonly content: string }[],
    options: object,
  ): Promise<{ readonly files: readonly { readonly content: string }[]; readonly mutants: readonly Mutant[] }>;
}

export async function instrument(path: string, content: string): Promise<Instrumented> {
  const instrumenter = await loadInstrumenter();
  const options = { plugins: null, excludedMutations: [], ignorers: [] };
  const { files, mutants } = await instrumenter.instrument([{ name: path, mutate: true, content }], options);
  return {
    code: files[0]?.content ?? '',
    mutations: mutants.map(({ id, location, mutatorName, replacement }) => ({
      id,
      line: location.start.line + 1,
      column: location.start.column + 1,
      mutator: mutatorName,
      replacement: replacement ?? '',
    })),
  };
}

/** Part of Stryker's core, which is what is installed. */
async function loadInstrumenter(): Promise<Instrumenter> {
  const core = createRequire(import.meta.url).resolve('@stryker-mutator/core');
  const path = createRequire(core).resolve('@stryker-mutator/instrumenter');
  const module = (await import(pathToFileURL(path).href)) as { Instrumenter: new (logger: object) => Instrumenter };
  const silent = { debug() {}, info() {}, isDebugEnabled: () => false, warn() {}, error() {} };
  return new module.Instrumenter(silent);
}
