/**
 * Runs a command again and again, and each time makes another of its writing system calls fail. A run without faults
 * shows which calls touch the files, by thread and number, because temporary files have random names. The tests decide
 * what must hold after each run.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Finished, run } from '../../../scripts/lab/running-process.ts';

/** System calls that change files or make their change durable. */
const CALLS = [
  ...['write', 'pwrite64', 'fsync', 'fdatasync', 'ftruncate', 'fchmod', 'fchown'],
  ...['rename', 'link', 'unlink', 'mkdir'],
] as const;

export interface Command {
  readonly argv: readonly string[];
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Broken extends Finished {
  /** `fsync 2: EIO`, for messages. */
  readonly fault: string;
}

interface Place {
  readonly call: string;
  /** The number of the call in its thread, from 1. */
  readonly nth: number;
}

/** One thread of libuv, because otherwise threads take turns, and strace counts by thread. */
const ONE_THREAD = { UV_THREADPOOL_SIZE: '1', NODE_EXTRA_CA_CERTS: '' };

/**
 * Makes each writing call of `command` on files below `dir` fail once. `prepare` resets the folder before each run.
 * Returns how many calls failed, by name.
 */
export async function walkFaults(
  command: Command,
  {
    dir,
    errors,
    prepare,
    judge,
  }: {
    readonly dir: string;
    readonly errors: readonly string[];
    readonly prepare: () => void | Promise<void>;
    readonly judge: (broken: Broken) => void | Promise<void>;
  },
): Promise<ReadonlyMap<string, number>> {
  const log = join(dir, '..', 'strace.log');
  const broken = new Map<string, number>();
  await prepare();
  const plain = await underStrace(command, log, []);
  if (plain.code !== 0) throw new Error(`fails without any fault: ${plain.stderr}`);
  for (const { call, nth } of placesIn(readFileSync(log, 'latin1'), dir)) {
    for (const errno of errors) {
      const finished = await aimed(command, log, dir, prepare, `inject=${call}:error=${errno}:when=${nth}`);
      if (finished === undefined) continue;
      broken.set(call, (broken.get(call) ?? 0) + 1);
      await judge({ ...finished, fault: `${call} ${nth}: ${errno}` });
    }
  }
  return broken;
}

/** Undefined when the fault hit another thread's call of that number, or a file elsewhere, in every try. */
async function aimed(
  command: Command,
  log: string,
  dir: string,
  prepare: () => void | Promise<void>,
  inject: string,
): Promise<Finished | undefined> {
  for (let attempt = 0; attempt < 3; attempt += 1) {
    await prepare();
    const finished = await underStrace(command, log, ['-e', inject]);
    const rows = readFileSync(log, 'latin1').split('\n');
    if (rows.some((row) => row.includes('(INJECTED)') && row.includes(dir))) return finished;
  }
  return undefined;
}

async function underStrace({ argv, input, env }: Command, log: string, words: readonly string[]): Promise<Finished> {
  const all = ['strace', '-f', '-y', '-s', '0', '-o', log, '-e', `trace=${CALLS.join(',')}`, ...words, ...argv];
  return await run(all, { env: { ...env, ...ONE_THREAD }, ...(input === undefined ? {} : { input }) });
}

/** Rows are `PID call(...) = 0`, and `PID call(... <unfinished ...>` where another thread interrupts. */
function placesIn(log: string, dir: string): readonly Place[] {
  const counts = new Map<string, number>();
  const places = new Map<string, Place>();
  for (const row of log.split('\n')) {
    const [, thread = '', call = ''] = /^(\d+) +([a-z0-9]+)\(/.exec(row) ?? [];
    if (call === '') continue;
    const nth = (counts.get(`${thread} ${call}`) ?? 0) + 1;
    counts.set(`${thread} ${call}`, nth);
    if (row.includes(dir)) places.set(`${call} ${nth}`, { call, nth });
  }
  return [...places.values()];
}
