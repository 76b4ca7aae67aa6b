/**
 * Runs collected tests, first all of them without any mutant, then for each mutant those that reach it, until one fails. All
 * in one process, since a process for each mutant takes hours where this takes minutes. Whoever started it ends it when a
 * mutant runs for ever.
 */
import { pathToFileURL } from 'node:url';
import type { InstrumenterContext } from '@stryker-mutator/api/core';
import type { CollectedTest } from './collect.ts';

/** What a test reached, by mutant: how often. */
export interface Reached {
  readonly test: string;
  readonly ms: number;
  readonly hits: Readonly<Record<string, number>>;
}

export type Request =
  | { readonly kind: 'reach' }
  | { readonly kind: 'mutant'; readonly id: string; readonly tests: readonly string[]; readonly hitLimit: number };

export type Answer =
  | {
      readonly kind: 'reached';
      readonly reached: readonly Reached[];
      readonly failed: readonly string[];
      /** Mutants that were passed while files were loaded. */
      readonly loading: readonly string[];
    }
  /** The test that failed; undefined when none did. */
  | { readonly kind: 'judged'; readonly id: string; readonly killer?: string };

/** These wait for disks, count a hundred thousand draws, or send floods: seconds of it, for mutants that others notice. */
const SLOW =
  /when any file on disk is used up|a naive line parser reads the same|uniform|biased|sees a bias|fair|flood|thousands|sweep/;
/** These look at what another process does, which has no mutants. */
const OF_OTHERS = /> (a disk without room|two processes at one file|the order of system calls|kill -9 at any step)/;

const [bundle = ''] = process.argv.slice(2);
// Tests of one file after the other want to be told of the process's end.
process.setMaxListeners(0);
const context = instrumented();
// Before the source is loaded, which keeps a hold of it.
const coverage: NonNullable<InstrumenterContext['mutantCoverage']> = { static: {}, perTest: {} };
context.mutantCoverage = coverage;
const { collectedTests } = (await import(pathToFileURL(bundle).href)) as {
  collectedTests(): readonly CollectedTest[];
};
const tests = new Map(
  collectedTests()
    .filter(({ id }) => !SLOW.test(id) && !OF_OTHERS.test(id))
    .map((test) => [test.id, test]),
);

async function reach(): Promise<Answer> {
  const reached: Reached[] = [];
  const failed: string[] = [];
  for (const { id, run } of tests.values()) {
    context.currentTestId = id;
    const startedAt = performance.now();
    try {
      await run();
      const hits = { ...coverage.perTest[id] };
      reached.push({ test: id, ms: performance.now() - startedAt, hits });
      // One that only passes the first time would seem to notice every mutant after that.
      await run();
    } catch (error) {
      if (reached.at(-1)?.test === id) reached.pop();
      failed.push(`${id}: ${(error as Error).message}`);
    }
  }
  delete context.currentTestId;
  return { kind: 'reached', reached, failed, loading: Object.keys(coverage.static) };
}

async function judge(id: string, wanted: readonly string[], hitLimit: number): Promise<Answer> {
  context.activeMutant = id;
  context.hitCount = 0;
  context.hitLimit = hitLimit;
  try {
    for (const name of wanted) {
      try {
        await tests.get(name)?.run();
      } catch {
        return { kind: 'judged', id, killer: name };
      }
      // Somebody caught the error that ends a loop.
      if ((context.hitCount ?? 0) > hitLimit) return { kind: 'judged', id, killer: `${name} (endless)` };
    }
    return { kind: 'judged', id };
  } finally {
    delete context.activeMutant;
  }
}

/** What the mutated source and this process tell each other. */
function instrumented(): InstrumenterContext {
  const scope = globalThis as { __stryker__?: InstrumenterContext };
  scope.__stryker__ ??= {};
  return scope.__stryker__;
}

process.on('message', (request: Request) => {
  const work = request.kind === 'reach' ? reach() : judge(request.id, request.tests, request.hitLimit);
  void work.then((answer) => process.send?.(answer));
});
// A test of something else may reject behind its own back under a mutant: that is noticed, or it is not, by a test.
process.on('unhandledRejection', () => undefined);
process.send?.({ kind: 'reached', reached: [], failed: [], loading: [] } satisfies Answer);
