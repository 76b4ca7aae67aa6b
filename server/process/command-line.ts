/**
 * Parses start, stop and notify commands into a program and its arguments, and puts the source's address in. Pure. Without
 * a shell, a line that needs one is refused when the configuration is read, so it never silently runs as something else.
 */
import parseArgsStringToArgv from 'string-argv';
import { type AddressKey, formatAddress } from '../../shared/address.ts';
import { KnockError } from '../../shared/errors.ts';
import { maskQuotes, shellSyntax } from './shell-syntax.ts';

/** The source's address replaces this anywhere in an argument. */
const PLACEHOLDER = '%IP%';

export interface CommandLine {
  readonly program: string;
  /** With %IP% not yet replaced. */
  readonly arguments: readonly string[];
}

/**
 * Splits a configured line at unquoted white space. Text in '...' and "..." stays unchanged.
 * @throws KnockError CONFIG_INVALID when it is empty, a quote is not closed, or it needs a shell
 */
export function parseCommandLine(line: string): CommandLine {
  if (line.includes('\0')) throw invalid(line, 'it contains a NUL character', 'remove it');
  const [program = '', ...rest] = parseArgsStringToArgv(line);
  const syntax = shellSyntax(line, program);
  if (syntax !== undefined) {
    const hint = `${syntax.instead ?? 'name a script with %IP% as its argument'}, or say shell = yes`;
    throw invalid(line, `commands run without a shell, and ${syntax.what}`, hint);
  }
  if (/['"]/.test(maskQuotes(line))) {
    throw invalid(line, 'a quote is not closed', 'close it, or put one kind inside the other');
  }
  if (program === '') throw invalid(line, 'it names no program', 'write a program and its arguments');
  if (program.includes(PLACEHOLDER)) throw invalid(line, 'the program name contains %IP%', 'name the program');
  return { program, arguments: rest };
}

/**
 * Makes a line into a command for the shell. An address put in later has only digits, letters, dots and colons, none of
 * which is shell syntax.
 * @throws KnockError CONFIG_INVALID when the line is empty or would be an option of the shell
 */
export function parseShellLine(line: string): CommandLine {
  if (line.includes('\0')) throw invalid(line, 'it contains a NUL character', 'remove it');
  if (line.trim() === '') throw invalid(line, 'it is empty', 'write a command for the shell');
  if (/^\s*[-+]/.test(line)) throw invalid(line, 'the shell would take it as its own option', 'begin with a program');
  return { program: '/bin/sh', arguments: ['-c', line] };
}

/**
 * The arguments for one source. The line is already split, so an address never becomes more arguments or an option. It is
 * formatted from 4 or 16 bytes: digits, a to f, dots and colons only.
 */
export function argumentsFor(command: CommandLine, source: AddressKey): readonly string[] {
  const address = formatAddress(source);
  return command.arguments.map((argument) => argument.replaceAll(PLACEHOLDER, () => address));
}

function invalid(line: string, what: string, hint: string): KnockError {
  return new KnockError('CONFIG_INVALID', `command "${line.slice(0, 60)}" cannot be run: ${what}`, { hint });
}
