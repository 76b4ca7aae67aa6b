/**
 * A test runner for Stryker: all tests in one process, and for each mutant only those that reach it. A process for each
 * mutant and test file, which is how the runners for node:test work, takes hours where this takes minutes.
 */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { InstrumenterContext } from '@stryker-mutator/api/core';
import { declareClassPlugin, PluginKind } from '@stryker-mutator/api/plugin';
import {
  type DryRunResult,
  DryRunStatus,
  determineHitLimitReached,
  type MutantRunOptions,
  type MutantRunResult,
  type TestResult,
  type TestRunner,
  type TestRunnerCapabilities,
  TestStatus,
  toMutantRunResult,
} from '@stryker-mutator/api/test-runner';
import type { CollectedTest } from './collect.ts';

/** Made by ./bundle in Stryker's copy of the project, which is where its workers run. */
const BUNDLE = 'test/mutation/bundled.mjs';
/** Waits for disks, seconds of it. */
const LEFT_OUT = /when any file on disk is used up|a naive line parser reads the same/;

class CollectedTestRunner implements TestRunner {
  #tests: readonly CollectedTest[] = [];
  /** The mutant that was active while the tests were loaded, '' for none; undefined when they are not. */
  #loadedWith: string | undefined;
  #loads = 0;
  /** Milliseconds that each test took when it last passed: quick ones first, for most mutants end with the first failure. */
  readonly #cost = new Map<string, number>();

  /** One file holds sources and tests: under another query it is another module, with all that runs at import. */
  capabilities(): TestRunnerCapabilities {
    return { reloadEnvironment: true };
  }

  async dryRun(): Promise<DryRunResult> {
    await this.#load('');
    const result = await this.#run(this.#tests, false);
    const { mutantCoverage } = instrumented();
    return result.status === DryRunStatus.Complete && mutantCoverage !== undefined
      ? { ...result, mutantCoverage }
      : result;
  }

  async mutantRun(options: MutantRunOptions): Promise<MutantRunResult> {
    const { activeMutant, testFilter, hitLimit, mutantActivation } = options;
    const context = instrumented();
    context.hitCount = 0;
    if (hitLimit === undefined) delete context.hitLimit;
    else context.hitLimit = hitLimit;
    const isStatic = mutantActivation === 'static';
    if (isStatic) context.activeMutant = activeMutant.id;
    else delete context.activeMutant;
    try {
      await this.#load(isStatic ? activeMutant.id : '');
    } catch (error) {
      // The mutant is why the tests do not even load: they notice it.
      return toMutantRunResult({ status: DryRunStatus.Complete, tests: [failed('loading', error)] });
    }
    context.activeMutant = activeMutant.id;
    const wanted = testFilter === undefined ? undefined : new Set(testFilter);
    const result = await this.#run(
      this.#tests
        .filter(({ id }) => wanted?.has(id) ?? true)
        .toSorted((a, b) => (this.#cost.get(a.id) ?? 0) - (this.#cost.get(b.id) ?? 0)),
      !options.disableBail,
    );
    return toMutantRunResult(determineHitLimitReached(context.hitCount, hitLimit) ?? result);
  }

  async #load(mutant: string): Promise<void> {
    if (this.#loadedWith === mutant) return;
    this.#loadedWith = undefined;
    this.#loads += 1;
    // Each load wants to be told of the process's end.
    process.setMaxListeners(0);
    const bundle = (await import(`${pathToFileURL(resolve(BUNDLE)).href}?${this.#loads}`)) as {
      collectedTests(): readonly CollectedTest[];
    };
    this.#tests = bundle.collectedTests().filter(({ id }) => !LEFT_OUT.test(id));
    this.#loadedWith = mutant;
  }

  async #run(tests: readonly CollectedTest[], bail: boolean): Promise<DryRunResult> {
    const context = instrumented();
    const results: TestResult[] = [];
    for (const { id, run } of tests) {
      context.currentTestId = id;
      const startedAt = performance.now();
      try {
        await run();
        const timeSpentMs = performance.now() - startedAt;
        this.#cost.set(id, timeSpentMs);
        results.push({ id, name: id, status: TestStatus.Success, timeSpentMs });
      } catch (error) {
        results.push(failed(id, error));
        if (bail) break;
      }
    }
    delete context.currentTestId;
    return { status: DryRunStatus.Complete, tests: results };
  }
}

function failed(id: string, error: unknown): TestResult {
  const failureMessage = error instanceof Error ? error.message : String(error);
  return { id, name: id, status: TestStatus.Failed, timeSpentMs: 0, failureMessage };
}

/** What the instrumented sources and this runner tell each other. */
function instrumented(): InstrumenterContext {
  const scope = globalThis as { __stryker__?: InstrumenterContext };
  scope.__stryker__ ??= {};
  return scope.__stryker__;
}

export const strykerPlugins = [declareClassPlugin(PluginKind.TestRunner, 'collected', CollectedTestRunner)];
