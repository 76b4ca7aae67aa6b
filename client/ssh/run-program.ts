/**
 * Runs another program in place of this one, with the same standard streams and exit status, without a shell. Node 20
 * cannot replace its process, so this process waits and leaves signals to the program.
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { KnockError } from '../../shared/errors.ts';
import { codeOf } from '../../shared/files/system-error.ts';

/** Exit codes of a shell for a program that does not exist, and one that cannot be executed. */
const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;

/** Signals of a terminal reach the whole foreground group, so the program gets them too and decides. */
const FROM_TERMINAL = ['SIGINT', 'SIGQUIT'] as const;
/** Signals that are sent to this process are passed on. */
const TO_THIS_PROCESS = ['SIGTERM', 'SIGHUP'] as const;

export interface Ended {
  /** As shells report it: 128 plus the signal for a program that a signal ended. */
  readonly status: number;
  /** Why it did not start. */
  readonly failure: string | undefined;
}

/** @throws KnockError USAGE for a command that no system accepts */
export function runProgram(
  [program = '', ...args]: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<Ended> {
  if ([program, ...args].some((word) => word.includes('\0')))
    throw new KnockError('USAGE', 'a word of the command contains a NUL');
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: 'inherit', env: { ...process.env, ...env } });
    const ignore = () => undefined;
    const pass = (signal: NodeJS.Signals) => void child.kill(signal);
    for (const signal of FROM_TERMINAL) process.on(signal, ignore);
    for (const signal of TO_THIS_PROCESS) process.on(signal, pass);
    function end(ended: Ended): void {
      for (const signal of FROM_TERMINAL) process.off(signal, ignore);
      for (const signal of TO_THIS_PROCESS) process.off(signal, pass);
      resolve(ended);
    }
    child.once('error', (error) => {
      const code = codeOf(error);
      end({ status: code === 'ENOENT' ? NOT_FOUND : NOT_EXECUTABLE, failure: code });
    });
    child.once('exit', (code, signal) => {
      end({ status: code ?? 128 + (signal === null ? 0 : constants.signals[signal]), failure: undefined });
    });
  });
}
