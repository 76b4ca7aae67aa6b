/**
 * Runs another program in our place: its standard streams are ours, and so is its exit status. Never a shell. Node 20
 * cannot replace its process, so we wait, and stay out of the way of signals.
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { KnockError } from '../../shared/errors.ts';
import { codeOf } from '../../shared/files/system-error.ts';

/** What a shell answers for a program that is not there, or that it may not run. */
const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;

/** Those of a terminal reach the whole foreground group, the program too: it decides, and we live as long as it does. */
const FROM_TERMINAL = ['SIGINT', 'SIGQUIT'] as const;
/** Those that somebody sends to us are meant for the program. */
const TO_US = ['SIGTERM', 'SIGHUP'] as const;

export interface Ended {
  /** As shells have it: 128 and the signal for a program that a signal ended. */
  readonly status: number;
  /** Why it did not start. */
  readonly failure: string | undefined;
}

/** @throws KnockError USAGE for a command that no system can take */
export function runProgram(
  [program = '', ...args]: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<Ended> {
  if ([program, ...args].some((word) => word.includes('\0')))
    throw new KnockError('USAGE', 'a word of the command holds a NUL');
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: 'inherit', env: { ...process.env, ...env } });
    const ignore = () => undefined;
    const pass = (signal: NodeJS.Signals) => void child.kill(signal);
    for (const signal of FROM_TERMINAL) process.on(signal, ignore);
    for (const signal of TO_US) process.on(signal, pass);
    function end(ended: Ended): void {
      for (const signal of FROM_TERMINAL) process.off(signal, ignore);
      for (const signal of TO_US) process.off(signal, pass);
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
