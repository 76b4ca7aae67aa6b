/** What every start of another program needs: the search path, and cleaning of its output for error texts. */

/** The PATH for all programs. The daemon's own PATH is not used, because whoever set it could run their code with it. */
export const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Most characters of a program's output in an error text. */
const MAX_WORDS = 600;

/** Makes output fit for logs and terminals: one line without control characters, at most 600 characters. */
export function cleanWords(words: string): string {
  const line = words
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is removed
    .replaceAll(/[\s\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g, ' ')
    .trim();
  return line.length > MAX_WORDS ? `${line.slice(0, MAX_WORDS)}...` : line;
}
