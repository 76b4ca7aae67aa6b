/**
 * Checks whether a command can run without a shell, and notes its program, which `command-programs.ts` looks
 * for. Messages name only signs and words of the shell, never other words, because these may be secret.
 */
import { KnockError } from '../../../shared/errors.ts';
import { type CommandLine, parseCommandLine, parseShellLine } from '../../process/command-line.ts';
import { isNothing, KEEP_LITERAL, shellSyntax } from '../../process/shell-syntax.ts';

/** What a section's reader does with the findings; both are given the key. */
interface CommandReader<K extends string> {
  problem(key: K, message: string, hint?: string): void;
  needsProgram(key: K, program: string, runAs?: string): void;
}

export interface CommandTerms {
  /** Runs with /bin/sh, which then reads the command. */
  readonly shell: boolean;
  /** The key that says so. */
  readonly shellKey: string;
  readonly runAs?: string | undefined;
}

/** The command, but empty where it is `:`, which does nothing. A shell reads its commands itself. */
export function effectiveCommand(command: string | undefined, shell: boolean): string | undefined {
  return !shell && command !== undefined && isNothing(command) ? '' : command;
}

/** False when it cannot run; a problem then says why. */
export function checkCommand<K extends string>(
  reader: CommandReader<K>,
  key: K,
  command: string,
  { shell, shellKey, runAs }: CommandTerms,
): boolean {
  const line = shell ? parseShellLine('true') : plainCommand(command);
  if (line !== undefined) {
    reader.needsProgram(key, line.program, runAs);
    return true;
  }
  // A line whose quotes are not closed has no first word.
  const syntax = shellSyntax(command, command.trim().split(/\s+/, 1)[0]?.replaceAll(/['"]/g, '') ?? '');
  if (syntax === undefined) {
    reader.problem(key, 'the command cannot be split into words', 'close its quotes, and begin it with a program');
  } else {
    const inShell = `${shellKey} = yes to run it with a shell`;
    const hint = `${syntax.instead === undefined ? inShell : `${syntax.instead}; or ${inShell}`}; ${KEEP_LITERAL}`;
    reader.problem(key, `commands run without a shell, and ${syntax.what}`, hint);
  }
  return false;
}

function plainCommand(command: string): CommandLine | undefined {
  try {
    return parseCommandLine(command);
  } catch (error) {
    if (error instanceof KnockError) return undefined;
    throw error;
  }
}
