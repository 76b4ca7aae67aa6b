/**
 * Whether a command can be run without a shell, and what in it asks for one. Names operators only, never words: those may
 * be secret. Running commands is server/firewall's business.
 */
import { parseCommandLine } from '../../process/command-line.ts';

/** Unquoted, these are a shell's business: lists, pipes, redirections, substitution, variables, globs, escapes. */
const OPERATORS = /&&|\|\||>>|2>&1|[;&|<>`$*?\\]/g;

/** The shell's operators outside of quotes, each once. */
export function shellOperators(command: string): readonly string[] {
  const outside = command.replaceAll(/'[^']*'|"[^"]*"/g, '');
  return [...new Set(outside.match(OPERATORS) ?? [])];
}

/** Whether words can be made of it without a shell: quotes closed, a program named, no operator. */
export function isPlainCommand(command: string): boolean {
  try {
    parseCommandLine(command);
    return true;
  } catch {
    // Its message quotes the command.
    return false;
  }
}

/** Why a command cannot be run as it stands; `shellKey` is the switch that would give it to a shell. */
export function commandProblem(
  command: string,
  shell: boolean,
  shellKey: string,
): { readonly message: string; readonly hint: string } | undefined {
  if (shell) return undefined;
  const operators = shellOperators(command);
  if (operators.length > 0) {
    return {
      message: `commands run without a shell, and ${operators.join(' ')} needs one`,
      hint: `${shellKey} = yes if a shell shall read it; quote it if it is meant as it stands`,
    };
  }
  if (isPlainCommand(command)) return undefined;
  return {
    message: 'the command cannot be split into words',
    hint: 'close its quotes, and begin it with a program',
  };
}
