/**
 * Controls the worker process: asks which tests reach which mutant, asks for the verdict on each mutant, and kills the
 * worker when a mutant runs for ever.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Fate } from './results.ts';
import type { Answer, Reached, Request } from './worker.ts';

const WORKER = fileURLToPath(new URL('./worker.ts', import.meta.url));
/** Mutants leave garbage in memory, so a fresh process replaces the worker after this many. */
const MOST_PER_PROCESS = 300;
/** A test may take this many times longer under a mutant, because the machine may be busy. */
const SLOWER = 10;
const LEAST_MS = 5000;
/** A mutant may be reached this many times more often than without it. More means an endless loop. */
const MORE_HITS = 100;

export interface Verdict {
  readonly fate: Fate;
  readonly killer?: string;
}

export class Judge implements AsyncDisposable {
  readonly #bundle: string;
  #worker: ChildProcess | undefined;
  #judged = 0;
  #reached: readonly Reached[] = [];
  #loading: ReadonlySet<string> = new Set();

  constructor(bundle: string) {
    this.#bundle = bundle;
  }

  /** Runs all tests without a mutant. Returns the tests that fail: they cannot judge mutants. */
  async prepare(): Promise<readonly string[]> {
    const answer = await this.#ask({ kind: 'reach' }, 600_000);
    if (answer?.kind !== 'reached') throw new Error('the tests do not come to an end');
    // Quick tests first, because most mutants end with the first failure.
    this.#reached = answer.reached.toSorted((a, b) => a.ms - b.ms);
    this.#loading = new Set(answer.loading);
    return answer.failed;
  }

  /** `unreached` when no test reaches the mutant, `constant` when only loading does. */
  async judge(id: string): Promise<Verdict> {
    const reaching = this.#reached.filter(({ hits }) => hits[id] !== undefined);
    if (reaching.length === 0) return { fate: this.#loading.has(id) ? 'constant' : 'unreached' };
    const hitLimit = MORE_HITS * Math.max(...reaching.map(({ hits }) => hits[id] ?? 0)) + 1000;
    const patience = LEAST_MS + SLOWER * reaching.reduce((sum, { ms }) => sum + ms, 0);
    const request: Request = { kind: 'mutant', id, tests: reaching.map(({ test }) => test), hitLimit };
    const answer = await this.#ask(request, patience);
    if (answer?.kind !== 'judged') return { fate: 'endless' };
    return answer.killer === undefined ? { fate: 'survived' } : { fate: 'killed', killer: answer.killer };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
  }

  /** Undefined when the worker took too long, or the request ended it. */
  async #ask(request: Request, patienceMs: number): Promise<Answer | undefined> {
    if (this.#judged >= MOST_PER_PROCESS) await this.#end();
    const worker = await this.#running();
    this.#judged += 1;
    const answer = await answerOf(worker, patienceMs, () => worker.send(request));
    if (answer === undefined) await this.#end();
    return answer;
  }

  async #running(): Promise<ChildProcess> {
    if (this.#worker?.exitCode === null && this.#worker.signalCode === null) return this.#worker;
    const execArgv = ['--import', 'tsx', '--max-old-space-size=1024'];
    const worker = fork(WORKER, [this.#bundle], { execArgv, stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
    this.#worker = worker;
    this.#judged = 0;
    if ((await answerOf(worker, 120_000, () => undefined)) === undefined) throw new Error('the tests do not load');
    return worker;
  }

  async #end(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    if (worker === undefined || worker.exitCode !== null || worker.signalCode !== null) return;
    const gone = once(worker, 'exit');
    worker.kill('SIGKILL');
    await gone;
  }
}

async function answerOf(worker: ChildProcess, patienceMs: number, ask: () => void): Promise<Answer | undefined> {
  return await new Promise((resolve) => {
    const settle = (answer: Answer | undefined): void => {
      clearTimeout(timer);
      worker.off('message', settle).off('exit', onExit);
      resolve(answer);
    };
    const onExit = (): void => settle(undefined);
    const timer = setTimeout(onExit, patienceMs);
    worker.once('message', settle).once('exit', onExit);
    ask();
  });
}
