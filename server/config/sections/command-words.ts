/**
 * Checks whether a command can run without a shell, and finds the operators that need one. Messages name only operators,
 * never words, because words may be secret. `server/firewall` runs the commands.
 */
import { parseCommandLine } from '../../process/command-line.ts';

/** Unquoted, these need a shell: lists, pipes, redirections, substitution, variables, globs, escapes. */
const OPERATORS = /&&|\|\||>>|2>&1|[;&|<>`$*?\\]/g;

/** The shell operators outside quotes, each once. */
export function shellOperators(command: string): readonly string[] {
  const unquoted = command.replaceAll(/'[^']*'|"[^"]*"/g, '');
  return [...new Set(unquoted.match(OPERATORS) ?? [])];
}

/** Whether knock-otpd can split it into words: closed quotes, a program, no operator. */
export function isPlainCommand(command: string): boolean {
  try {
    parseCommandLine(command);
    return true;
  } catch {
    // Drops the error, because its message quotes the command.
    return false;
  }
}

/** Why a command cannot run; `shellKey` is the key that runs it with /bin/sh. */
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
      hint: `${shellKey} = yes to run it with a shell; quote it to keep it literal`,
    };
  }
  if (isPlainCommand(command)) return undefined;
  return {
    message: 'the command cannot be split into words',
    hint: 'close its quotes, and begin it with a program',
  };
}
