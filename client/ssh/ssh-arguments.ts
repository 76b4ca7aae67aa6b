/**
 * Finds the destination in a command line of OpenSSH: `-p 2222 -vA user@host -t uptime`. No word is changed, dropped or
 * moved. Pure.
 */
import { KnockError } from '../../shared/errors.ts';

/** Options of ssh(1) that take a value: in the same word (`-p22`) or the next one (`-p 22`). */
const WITH_VALUE = new Set('BbcDEeFIiJLlmOoPpQRSWw');

export interface SshWords {
  /** Options before the destination. */
  readonly before: readonly string[];
  /** As typed: `host`, `user@host` or `ssh://user@host:port`. */
  readonly destination: string;
  /** The host of the destination. */
  readonly host: string;
  /** Options after the destination, which ssh reads too. */
  readonly after: readonly string[];
  /** The remote command. */
  readonly command: readonly string[];
  /** The family that -4 or -6 selects. */
  readonly family: 4 | 6 | undefined;
  /** Whether an option or the destination contains a port. */
  readonly hasPort: boolean;
}

/** @throws KnockError USAGE when there is no destination */
export function readSshWords(words: readonly string[]): SshWords {
  const destinationAt = endOfOptions(words, 0);
  const isEnded = words[destinationAt] === '--';
  const at = destinationAt + (isEnded ? 1 : 0);
  const destination = words[at];
  if (destination === undefined || destination === '' || destination.startsWith('-')) {
    throw new KnockError('USAGE', 'no host given', {
      hint: "knock-otp ssh HOST, with ssh's own options before or after",
    });
  }
  const commandAt = endOfOptions(words, at + 1);
  const before = words.slice(0, at);
  const after = words.slice(at + 1, commandAt);
  const letters = lettersOf([...before, ...after]);
  const [, host = destination, port] =
    /^ssh:\/\/(?:[^@/]*@)?(\[[^\]]*\]|[^:/]*)(?::([0-9]+))?\/?$/i.exec(destination) ?? [];
  return {
    before,
    destination,
    host: host === destination ? destination.slice(destination.lastIndexOf('@') + 1) : host,
    after,
    command: words.slice(commandAt),
    family: letters.has('6') ? 6 : letters.has('4') ? 4 : undefined,
    hasPort:
      port !== undefined || letters.has('p') || [...before, ...after].some((word) => /^(-o)?\s*Port[\s=]/i.test(word)),
  };
}

/** The index of the first word that is neither an option nor an option's value. */
function endOfOptions(words: readonly string[], from: number): number {
  let at = from;
  while (at < words.length) {
    const word = words[at] ?? '';
    if (word === '--' || word === '-' || !word.startsWith('-')) break;
    at += takesNext(word) ? 2 : 1;
  }
  return Math.min(at, words.length);
}

/** Letters may be combined; the first one with a value takes the rest of the word, or the next word. */
function takesNext(word: string): boolean {
  const letters = [...word.slice(1)];
  const withValue = letters.findIndex((letter) => WITH_VALUE.has(letter));
  return withValue !== -1 && withValue === letters.length - 1;
}

function lettersOf(words: readonly string[]): ReadonlySet<string> {
  const letters = new Set<string>();
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? '';
    if (word === '--' || !word.startsWith('-')) continue;
    for (const letter of word.slice(1)) {
      letters.add(letter);
      if (WITH_VALUE.has(letter)) break;
    }
    if (takesNext(word)) at += 1;
  }
  return letters;
}
