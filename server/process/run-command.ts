/**
 * Running one command of a door: alone in its session, with nothing of the daemon's environment, bounded in time and in
 * what it may say. Which command, and when, is command-doors.ts' business.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { KnockError } from '../../shared/errors.ts';
import { cleanWords, SYSTEM_PATH } from './program-search-path.ts';

/** Kept of each of stdout and stderr; the rest is read and thrown away, so that a talkative command does not stall. */
const MAX_KEPT_BYTES = 4096;
/** How long, after a command's end, its last words may take to arrive when something it started keeps the pipe open. */
const LAST_WORDS_MS = 100;

export interface CommandRun {
  readonly program: string;
  readonly arguments: readonly string[];
  /** The whole environment besides PATH. */
  readonly environment: Readonly<Record<string, string>>;
  /** Milliseconds after which the command's whole process group is killed. */
  readonly timeoutMs: number;
}

/** A command that never ran: nothing it does can have happened. */
export class CommandNotStarted extends KnockError {}

/**
 * Resolves when the command ended with status 0; what it leaves in the background is not waited for.
 * The command has a session of its own: a signal to the daemon, or its end, does not reach it.
 * @throws KnockError COMMAND with its status and the first of its words; CommandNotStarted when it could not be run
 */
export function runCommand(run: CommandRun): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(run.program, run.arguments, {
      env: { PATH: SYSTEM_PATH, ...run.environment },
      cwd: '/',
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const words = collect(child.stderr);
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
        letGo(child);
        resolve();
        return;
      }
      const end = killed
        ? `did not end within ${run.timeoutMs} ms and was killed`
        : signal === null
          ? `ended with status ${status}`
          : `was ended by ${signal}`;
      const report = () => {
        clearTimeout(patience);
        letGo(child);
        const said = cleanWords(words() || output());
        reject(new KnockError('COMMAND', `command ${run.program} ${end}${said === '' ? '' : `: ${said}`}`));
      };
      const patience = setTimeout(report, LAST_WORDS_MS);
      child.once('close', report);
    });
  });
}

/** Reads a stream to its end, keeps its beginning. */
function collect(stream: NodeJS.ReadableStream): () => string {
  const kept: Buffer[] = [];
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => {
    if (bytes < MAX_KEPT_BYTES) kept.push(chunk.subarray(0, MAX_KEPT_BYTES - bytes));
    bytes += chunk.length;
  });
  stream.on('error', () => undefined);
  return () => Buffer.concat(kept).toString('utf8');
}

/** Background work that still holds the pipes may go on writing to us, but does not keep this process alive. */
function letGo(child: ChildProcess): void {
  for (const stream of [child.stdout, child.stderr]) {
    if (stream !== null && 'unref' in stream && typeof stream.unref === 'function') stream.unref();
  }
}

/** The command leads its group (setsid), and its number is not given away before its end has been reported to us. */
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
    hint: 'write its whole path, and make it executable',
    cause,
  });
}
