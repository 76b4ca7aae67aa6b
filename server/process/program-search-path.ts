/**
 * What starting another program needs whichever it is: where it is looked up, and how its words are made fit for an
 * error text. How each is run, and for how long, stands with the program.
 */

/** Where programs are looked up, whoever started the daemon: a PATH that somebody else chose is a way to run his code. */
export const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Longest piece of a program's words that goes into an error. */
const MAX_WORDS = 600;

/** One line without control characters, at most 600 characters: the words end in a log and on a terminal. */
export function cleanWords(words: string): string {
  const line = words
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is removed
    .replaceAll(/[\s\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g, ' ')
    .trim();
  return line.length > MAX_WORDS ? `${line.slice(0, MAX_WORDS)}...` : line;
}
