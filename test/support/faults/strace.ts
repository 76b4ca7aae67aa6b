/**
 * Injects faults with strace(1): attached to a running process, strace makes system calls on some files fail or take
 * long, and records what it saw. The tests decide what must hold then.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RunningProcess } from '../../../scripts/lab/running-process.ts';

/** System calls that change a disk. */
export const WRITING_CALLS = ['pwrite64', 'write', 'fdatasync', 'fsync', 'rename'] as const;

type Call = (typeof WRITING_CALLS)[number] | 'unlink';

export interface Fault {
  readonly call: Call | readonly Call[];
  /** `error=EIO`, `delay_enter=500ms` ... */
  readonly what: string;
  /** The number of the call, by call and thread, from 1; `1+` means every call. */
  readonly when: string;
  /** Only calls on these files; all files when not given. Sockets, pipes and libuv's own descriptors are not files. */
  readonly paths?: readonly string[];
}

export class Sabotage implements AsyncDisposable {
  readonly #strace: RunningProcess;
  readonly #dir: string;

  private constructor(argv: readonly string[], dir: string) {
    this.#strace = new RunningProcess(argv);
    this.#dir = dir;
  }

  /** Resolves when the fault is active. */
  static async begin(pid: number, fault: Fault): Promise<Sabotage> {
    const dir = mkdtempSync(join(tmpdir(), 'knock-otp-strace-'));
    const argv = ['strace', '-f', '-ttt', '-y', '-o', join(dir, 'log'), ...expressionsOf(fault), '-p', `${pid}`];
    const sabotage = new Sabotage(argv, dir);
    await sabotage.#strace.waitForLine(/Process \d+ attached/);
    return sabotage;
  }

  /** Ends strace; resolves with its records. */
  async end(): Promise<string> {
    await this.#strace.end('SIGINT');
    return readFileSync(join(this.#dir, 'log'), 'latin1');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#strace.end('SIGINT');
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

/** The options of strace for a fault, for a program that is started under it. */
export function expressionsOf({ call, what, when, paths }: Fault): readonly string[] {
  const calls = [call].flat().join(',');
  const only = (paths ?? []).flatMap((path) => ['-P', path]);
  return ['-e', `trace=${calls}`, ...only, '-e', `inject=${calls}:${what}:when=${when}`];
}

/** Why strace cannot be used here, or false. */
export function skipWithoutStrace(): string | false {
  const { status, stderr, error } = spawnSync('strace', ['-f', '-e', 'trace=none', 'true'], { encoding: 'utf8' });
  if (status === 0) return false;
  if (process.env['CI'] === 'true') return false;
  return `strace does not work here: ${error?.message ?? stderr.trim().split('\n')[0]}`;
}
