/**
 * Runs one system program and returns its output: found by the system path, with an argument vector, with limits on time
 * and output. A status other than 0 is a result too, not an error.
 */
import { spawn } from 'node:child_process';
import { KnockError } from '../../shared/errors.ts';
import { cleanWords, SYSTEM_PATH } from './program-search-path.ts';

const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;
const MAX_ERROR_BYTES = 16 * 1024;

export interface ProgramOptions {
  /** Milliseconds after which it is killed; default 20,000. */
  readonly timeoutMs?: number;
  /** Written to its standard input, which is /dev/null without it. */
  readonly input?: string;
}

export interface ProgramAnswer {
  readonly status: number;
  readonly output: string;
  /** Its standard error, unchanged. */
  readonly words: string;
}

/** The type of {@link runProgram}, so that a test can replace programs that this machine does not have. */
export type RunProgram = (program: string, args: readonly string[], options?: ProgramOptions) => Promise<ProgramAnswer>;

/** @throws KnockError FIREWALL when it cannot be started, takes too long, prints too much or is ended by a signal */
export const runProgram: RunProgram = (program, args, { timeoutMs = 20_000, input } = {}) =>
  new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      // Not the daemon's environment; LC_ALL and LANG make the tools answer in English.
      env: { PATH: SYSTEM_PATH, LC_ALL: 'C', LANG: 'C' },
      cwd: '/',
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
    // Not spawn's own timeout: its timer would keep this process alive when the program is not installed.
    const limit = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    const output: Buffer[] = [];
    const words: Buffer[] = [];
    let outputBytes = 0;
    let wordBytes = 0;
    child.stdout?.on('data', (chunk: Buffer) => {
      outputBytes += chunk.length;
      if (outputBytes > MAX_OUTPUT_BYTES) child.kill('SIGKILL');
      else output.push(chunk);
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      wordBytes += chunk.length;
      if (wordBytes <= MAX_ERROR_BYTES) words.push(chunk);
    });
    // EPIPE from a program that ended without reading; its exit status tells the result.
    child.stdin?.on('error', () => undefined);
    child.on('error', (cause: NodeJS.ErrnoException) => {
      clearTimeout(limit);
      const why = cause.code === 'ENOENT' ? `is not installed in ${SYSTEM_PATH}` : cleanWords(cause.message);
      reject(
        new KnockError('FIREWALL', `${program} ${why}`, { hint: 'install it, or open the door another way', cause }),
      );
    });
    child.on('close', (status, signal) => {
      clearTimeout(limit);
      if (status !== null) {
        resolve({
          status,
          output: Buffer.concat(output).toString('utf8'),
          words: Buffer.concat(words).toString('utf8'),
        });
      } else if (outputBytes > MAX_OUTPUT_BYTES) {
        reject(new KnockError('FIREWALL', `${program} printed more than ${MAX_OUTPUT_BYTES} bytes`));
      } else {
        reject(new KnockError('FIREWALL', `${program} was ended by ${signal} (time limit ${timeoutMs} ms)`));
      }
    });
    if (input !== undefined) child.stdin?.end(input);
  });

/** Returns the output of a program that must end with status 0. @throws KnockError FIREWALL with its error output */
export async function outputOf(
  run: RunProgram,
  program: string,
  args: readonly string[],
  options: ProgramOptions & { readonly hint?: string } = {},
): Promise<string> {
  const { status, output, words } = await run(program, args, options);
  if (status === 0) return output;
  const said = cleanWords(words || output) || 'no reason given';
  const { hint = /permi|root/i.test(said) ? 'the daemon needs CAP_NET_ADMIN; some tools need full root' : undefined } =
    options;
  throw new KnockError(
    'FIREWALL',
    `${program} ended with status ${status}: ${said}`,
    hint === undefined ? {} : { hint },
  );
}
