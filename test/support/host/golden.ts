/**
 * Golden scripts: a text file of commands with what each prints and its exit code. `UPDATE_GOLDEN=1` writes what is
 * seen into the file instead of comparing, for a person to read in the diff.
 *
 *     $ knock-otp show b1        the command; `< TEXT` at its end is its standard input
 *     out| ...                   a line of standard output
 *     err| ...                   a line of standard error
 *     exit 0
 *
 * Lines that begin with # and empty lines are kept as they are.
 */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';

export interface Ran {
  readonly stdout: string;
  readonly stderr: string;
  readonly exit: number;
}

/** Runs one command line of a script. `input` is undefined when the script gives none. */
export type Runner = (args: readonly string[], input: string | undefined) => Promise<Ran>;

/**
 * Plays a script against `run`; `vary` replaces what differs between machines, such as paths, in what was seen.
 * @throws AssertionError with the difference
 */
export async function checkGolden(path: string, run: Runner, vary: (text: string) => string): Promise<void> {
  const want = await readFile(path, 'utf8');
  const seen: string[] = [];
  for (const line of want.split('\n')) {
    if (line.startsWith('$ ')) seen.push(line, ...(await play(line, run, vary)));
    else if (!/^(?:out\||err\||exit )/.test(line)) seen.push(line);
  }
  const text = seen.join('\n');
  if (process.env['UPDATE_GOLDEN'] === '1') await writeFile(path, text);
  else assert.equal(text, want);
}

async function play(line: string, run: Runner, vary: (text: string) => string): Promise<string[]> {
  const [command = '', input] = line.slice(2).split(' < ', 2);
  const [, ...args] = command.split(' ').filter(Boolean);
  const { stdout, stderr, exit } = await run(args, input);
  return [...marked('out|', vary(stdout)), ...marked('err|', vary(stderr)), `exit ${exit}`];
}

function marked(mark: string, text: string): string[] {
  if (text === '') return [];
  const lines = text.split('\n');
  // A missing last newline is a difference, so it has to be seen.
  if (lines.at(-1) === '') lines.pop();
  else lines.push('(no newline at the end)');
  return lines.map((line) => `${mark} ${line}`.trimEnd());
}
