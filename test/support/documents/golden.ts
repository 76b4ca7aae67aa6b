/**
 * Runs golden scripts: text files of commands, with the output and exit code of each. `UPDATE_GOLDEN=1` writes the
 * current output into the file instead of comparing. Read the diff before you commit it.
 *
 *     $ knock-otp show b1        the command; `< TEXT` at its end is its standard input
 *     out| ...                   a line of standard output
 *     err| ...                   a line of standard error
 *     exit 0
 *
 * The file keeps empty lines and lines that begin with #.
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
 * Plays a script with `run`. `vary` replaces parts of the output that differ between machines, such as paths.
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
  // The difference must show a missing last newline.
  if (lines.at(-1) === '') lines.pop();
  else lines.push('(no newline at the end)');
  return lines.map((line) => `${mark} ${line}`.trimEnd());
}
