/**
 * A child process under test: collects its output, waits for a line of it, and ends it. The child dies with the test
 * process, however that ends, so no daemon outlives a crashed run.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';

export interface SpawnOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Written to stdin, which is then closed; without it stdin is empty. */
  readonly input?: string;
  /** Leaves stdin open for write(). */
  readonly keepInput?: boolean;
  /** Milliseconds until it is killed; 60 s when not given. */
  readonly timeoutMs?: number;
}

export interface Finished {
  /** -1 when a signal ended it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How long waitForLine waits: much longer than any wait here takes, much shorter than the limit of the test runner. */
const LINE_TIMEOUT_MS = 20_000;

export class RunningProcess {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #words: string;
  readonly #exit: Promise<number>;
  readonly #watchers = new Set<() => void>();
  readonly #limit: NodeJS.Timeout | undefined;
  #stdout = '';
  #stderr = '';
  #code: number | undefined;

  constructor(argv: readonly string[], options: SpawnOptions = {}) {
    this.#words = argv.slice(0, 12).join(' ');
    this.#child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...argv], {
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: { ...process.env, ...options.env },
    });
    // A child may end before it has read its input. That is no failure.
    this.#child.stdin.on('error', () => {});
    if (options.keepInput === true) this.#child.stdin.write(options.input ?? '');
    else this.#child.stdin.end(options.input ?? '');
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
      this.#notify();
    });
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
      this.#notify();
    });
    this.#exit = this.#ended();
    if (options.timeoutMs !== undefined) {
      this.#limit = setTimeout(() => this.#child.kill('SIGKILL'), options.timeoutMs);
    }
  }

  /** The id of the program itself, because every wrapper execs it. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  get ended(): boolean {
    return this.#code !== undefined;
  }

  /** Writes to a process that was started with `keepInput`. */
  write(text: string): void {
    this.#child.stdin.write(text);
  }

  /** Closes the stdin of a process that was started with `keepInput`, and waits for its end. */
  async endInput(): Promise<Finished> {
    this.#child.stdin.end();
    return await this.finished();
  }

  /** The length of the output so far. Give it to waitForLine to search only later output. */
  get mark(): number {
    return this.#stderr.length;
  }

  /** Resolves with the first line of stderr or stdout that matches; rejects when the process ends or takes too long. */
  async waitForLine(pattern: RegExp, from = 0, timeoutMs = LINE_TIMEOUT_MS): Promise<string> {
    return await new Promise((resolve, reject) => {
      const finish = (settle: () => void) => {
        clearTimeout(timer);
        this.#watchers.delete(look);
        settle();
      };
      const fail = (why: string) =>
        finish(() =>
          reject(new Error(`${why} before a line matched ${pattern}: ${this.#words}\n${this.#stdout}${this.#stderr}`)),
        );
      const look = () => {
        const lines = [...this.#stderr.slice(from).split('\n'), ...this.#stdout.split('\n')];
        const found = lines.find((line) => pattern.test(line));
        if (found !== undefined) finish(() => resolve(found));
        else if (this.ended) fail(`it ended with ${this.#code}`);
      };
      const timer = setTimeout(() => fail(`${timeoutMs} ms passed`), timeoutMs);
      this.#watchers.add(look);
      look();
    });
  }

  kill(signal: NodeJS.Signals = 'SIGTERM'): void {
    if (!this.ended) this.#child.kill(signal);
  }

  /** Sends the signal and waits for the end. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<Finished> {
    this.kill(signal);
    return await this.finished();
  }

  async finished(): Promise<Finished> {
    const code = await this.#exit;
    return { code, stdout: this.#stdout, stderr: this.#stderr };
  }

  async #ended(): Promise<number> {
    try {
      const [code] = (await once(this.#child, 'close')) as [number | null];
      this.#code = code ?? -1;
    } catch (error) {
      this.#stderr += `${error}\n`;
      this.#code = -1;
    }
    clearTimeout(this.#limit);
    this.#notify();
    return this.#code;
  }

  #notify(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }
}

/** Runs the command to its end; the caller judges the exit code. */
export async function run(argv: readonly string[], options: SpawnOptions = {}): Promise<Finished> {
  return await new RunningProcess(argv, { timeoutMs: 60_000, ...options }).finished();
}

/** Runs the command to its end, and throws when the exit code is not 0. */
export async function mustRun(argv: readonly string[], options: SpawnOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await run(argv, options);
  if (code !== 0) throw new Error(`exit ${code}: ${argv.join(' ')}\n${stdout}${stderr}`);
  return stdout;
}
