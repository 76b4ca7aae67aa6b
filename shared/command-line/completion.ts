/**
 * Shell completion of a program, for its command `completion`. Made from the same tree that parses the command line.
 */
import { bashCompletion } from './bash.ts';
import { fishCompletion } from './fish.ts';
import { type CommandLike, type Completions, grammarOf } from './grammar.ts';
import { zshCompletion } from './zsh.ts';

const WRITERS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion };

export type Shell = keyof typeof WRITERS;

export const SHELLS = ['bash', 'zsh', 'fish'] as const satisfies readonly Shell[];

/** The completion script for a shell. It ends with a line feed. */
export function completionScript(shell: Shell, program: CommandLike, completions: Completions): string {
  return WRITERS[shell](grammarOf(program, completions), completions);
}
