/**
 * Puts all mutants of sources into them, each behind a switch, by Stryker's instrumenter. What runs them is ours: Stryker's own
 * core copies the project and starts anew for every run, and keeps nothing of one that was cut off.
 */
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import type { Mutant } from '@stryker-mutator/api/core';

export interface Mutation {
  /** Of the switch; unique among the sources that were instrumented together. */
  readonly id: string;
  readonly line: number;
  readonly column: number;
  /** `line:column` behind it: a condition and its left side begin at one place. */
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

/** By path. */
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

/** Part of Stryker's core, which is what is installed. */
async function loadInstrumenter(): Promise<Instrumenter> {
  const core = createRequire(import.meta.url).resolve('@stryker-mutator/core');
  const path = createRequire(core).resolve('@stryker-mutator/instrumenter');
  const module = (await import(pathToFileURL(path).href)) as { Instrumenter: new (logger: object) => Instrumenter };
  const silent = { debug() {}, info() {}, isDebugEnabled: () => false, warn() {}, error() {} };
  return new module.Instrumenter(silent);
}
