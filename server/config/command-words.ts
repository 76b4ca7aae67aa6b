/** Finds operators in a command that only a shell would understand. Running commands is server/firewall's business. */
import { parseArgsStringToArgv } from 'string-argv';

/** Operators as words of their own, or a redirection's or a list's end glued to a word. */
const SHELL_WORD = /^(\||\|\||&|&&|;|[0-9]?>{1,2}|<|2>&1|[0-9]?>.+|.+;)$/;

/** The operators of those words, each once; never the words themselves, which may be secret. */
export function shellWords(command: string): readonly string[] {
  const words = parseArgsStringToArgv(command).filter((word) => SHELL_WORD.test(word));
  return [...new Set(words.flatMap((word) => word.match(/[|&;<>]+/)?.[0] ?? []))];
}
