/**
 * Runs the collected tests: first all tests without a mutant, then for each mutant the tests that reach it, until one
 * fails. One process runs them all, because a process for each mutant takes hours instead of minutes. `judge.ts` kills
 * this process when a mutant runs for ever.
 */
import { pathToFileURL } from 'node:url';
import type { InstrumenterContext } from '@stryker-mutator/api/core';
import type { CollectedTest } from './collect.ts';

/** How often a test reached each mutant. */
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
      /** Mutants that were reached while files were loaded. */
      readonly loading: readonly string[];
    }
  /** The test that failed; undefined when none did. */
  | { readonly kind: 'judged'; readonly id: string; readonly killer?: string };

/**
 * Tests that wait for disks, count a hundred thousand draws or send floods. They take seconds, and others notice the
 * same.
 */
const SLOW =
  /when any file on disk is used up|a naive line parser reads the same|uniform|biased|sees a bias|fair|flood|thousands|sweep/;
/** Tests of another process, which runs without mutants. */
const OF_OTHERS = /> (a disk without room|two processes at one file|the order of system calls|kill -9 at any step)/;

const [bundle = ''] = process.argv.slice(2);
// Each test file adds a listener for the end of the process.
process.setMaxListeners(0);
const context = instrumented();
// Before the source is loaded, because the source keeps a reference to it.
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
      // A test that passes only the first time would seem to notice every later mutant.
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
      // A source caught the error that ends a loop.
      if ((context.hitCount ?? 0) > hitLimit) return { kind: 'judged', id, killer: `${name} (endless)` };
    }
    return { kind: 'judged', id };
  } finally {
    delete context.activeMutant;
  }
}

/** The state that the mutated sources share with this process. */
function instrumented(): InstrumenterContext {
  const scope = globalThis as { __stryker__?: InstrumenterContext };
  scope.__stryker__ ??= {};
  return scope.__stryker__;
}

process.on('message', (request: Request) => {
  const work = request.kind === 'reach' ? reach() : judge(request.id, request.tests, request.hitLimit);
  void work.then((answer) => process.send?.(answer));
});
// Under a mutant, a test may leave a rejected promise without a handler. Only the result of the test counts.
process.on('unhandledRejection', () => undefined);
process.send?.({ kind: 'reached', reached: [], failed: [], loading: [] } satisfies Answer);
