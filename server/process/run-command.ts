/**
 * Runs one command of a door: in its own session, without the daemon's environment, with limits on time and output.
 * `command-doors.ts` decides which command runs when.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { KnockError } from '../../shared/errors.ts';
import { cleanWords, SYSTEM_PATH } from './program-search-path.ts';

/** Bytes kept of stdout and of stderr. The rest is read and discarded, so that a command with much output does not block. */
const MAX_KEPT_BYTES = 4096;
/** Wait for the last output after a command's end, when a process that it started keeps the pipe open. */
const OUTPUT_MS = 100;

export interface CommandRun {
  readonly program: string;
  readonly arguments: readonly string[];
  /** The whole environment besides PATH. */
  readonly environment: Readonly<Record<string, string>>;
  /** Milliseconds after which the command's whole process group is killed. */
  readonly timeoutMs: number;
}

/** A command that never ran, so it has had no effect. */
export class CommandNotStarted extends KnockError {}

/**
 * Resolves when the command ended with status 0, without waiting for its background processes. The command has its own
 * session, so neither a signal to the daemon nor the daemon's end reaches it.
 * @throws KnockError COMMAND with its status and the beginning of its output; CommandNotStarted when it could not run
 */
export function runCommand(run: CommandRun): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(run.program, run.arguments, {
      env: { PATH: SYSTEM_PATH, ...run.environment },
      cwd: '/',
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const errors = collect(child.stderr);
    const output = collect(child.stdout);
    let killed = false;
    const limit = setTimeout(() => {
      killed = true;
      killGroup(child);
    }, run.timeoutMs);
    child.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(limit);
      if (child.pid === undefined) reject(notStarted(run.program, error));
    });
    child.on('exit', (status, signal) => {
      clearTimeout(limit);
      if (status === 0) {
        unref(child);
        resolve();
        return;
      }
      const end = killed
        ? `did not end within ${run.timeoutMs} ms and was killed`
        : signal === null
          ? `ended with status ${status}`
          : `was ended by ${signal}`;
      const report = () => {
        clearTimeout(timer);
        unref(child);
        const said = cleanWords(errors() || output());
        reject(new KnockError('COMMAND', `command ${run.program} ${end}${said === '' ? '' : `: ${said}`}`));
      };
      const timer = setTimeout(report, OUTPUT_MS);
      child.once('close', report);
    });
  });
}

/** Reads a stream to its end and keeps its beginning. */
function collect(stream: NodeJS.ReadableStream): () => string {
  const beginning: Buffer[] = [];
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => {
    if (bytes < MAX_KEPT_BYTES) beginning.push(chunk.subarray(0, MAX_KEPT_BYTES - bytes));
    bytes += chunk.length;
  });
  stream.on('error', () => undefined);
  return () => Buffer.concat(beginning).toString('utf8');
}

/** A background process that holds the pipes may go on writing, but must not keep the daemon alive. */
function unref(child: ChildProcess): void {
  for (const stream of [child.stdout, child.stderr]) {
    if (stream !== null && 'unref' in stream && typeof stream.unref === 'function') stream.unref();
  }
}

/** Kills the command's group, which it leads (setsid). Its pid is not reused before its end has been reported. */
function killGroup(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  } catch {
    child.kill('SIGKILL');
  }
}

function notStarted(program: string, cause: NodeJS.ErrnoException): CommandNotStarted {
  const why = cause.code === 'ENOENT' ? `is not found in ${SYSTEM_PATH}` : cleanWords(cause.message);
  return new CommandNotStarted('COMMAND', `command ${program} could not be started: ${why}`, {
    hint: 'write its full path, and make it executable',
    cause,
  });
}
