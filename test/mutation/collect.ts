/**
 * Replaces node:test during mutation tests: collects the tests instead of running them, so that one process can run
 * the tests that reach a mutant, thousands of times over. Implements only what the tests of `shared` and `server/core`
 * use.
 */
// Node's own mock, unchanged.
export { mock } from 'node:test';

type Body = (context: TestContext) => unknown;

export interface CollectedTest {
  /** File and title; unique. */
  readonly id: string;
  readonly run: () => Promise<void>;
}

interface Suite {
  readonly path: readonly string[];
  readonly before: (() => unknown)[];
  readonly afterEach: (() => unknown)[];
  prepared: boolean;
}

/** The context of a test. A test that skips here cannot run, so it must not be in the list of tests. */
class TestContext {
  readonly afters: (() => unknown)[] = [];
  after(work: () => unknown): void {
    this.afters.push(work);
  }
  diagnostic(): void {}
  async test(_title: string, body: Body): Promise<void> {
    await runBody(body);
  }
  skip(reason?: string): never {
    throw new Error(`a test was skipped: ${reason}`);
  }
}

const tests = new Map<string, CollectedTest>();
let suites: readonly Suite[] = [newSuite([])];

function newSuite(path: readonly string[]): Suite {
  return { path, before: [], afterEach: [], prepared: false };
}

/** Names the file of the tests that follow, and starts with no hooks. */
export function beginFile(name: string): void {
  suites = [newSuite([name])];
}

export function collectedTests(): readonly CollectedTest[] {
  return [...tests.values()];
}

export function test(title: string, ...rest: readonly unknown[]): void {
  const body = rest.at(-1) as Body;
  const around = suites;
  const name = [...around.flatMap(({ path }) => path), title].join(' > ');
  let id = name;
  for (let more = 2; tests.has(id); more += 1) id = `${name} (${more})`;
  tests.set(id, {
    id,
    run: async () => {
      for (const suite of around) {
        if (suite.prepared) continue;
        suite.prepared = true;
        for (const work of suite.before) await work();
      }
      try {
        await runBody(body);
      } finally {
        for (const work of around.flatMap(({ afterEach }) => afterEach)) await work();
      }
    },
  });
}

export function describe(title: string, ...rest: readonly unknown[]): void {
  const body = rest.at(-1) as () => void;
  const outer = suites;
  suites = [...outer, newSuite([title])];
  try {
    body();
  } finally {
    suites = outer;
  }
}

export function before(work: () => unknown): void {
  suites.at(-1)?.before.push(work);
}

export function afterEach(work: () => unknown): void {
  suites.at(-1)?.afterEach.push(work);
}

/** Runs the hook when the process ends, because the tests of a file run many times. */
export function after(work: () => unknown): void {
  process.once('exit', work);
}

async function runBody(body: Body): Promise<void> {
  const context = new TestContext();
  try {
    await body(context);
  } finally {
    for (const work of context.afters) await work();
  }
}
