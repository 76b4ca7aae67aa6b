/**
 * A start or stop command as words: how a configured line becomes a program and its arguments, and where the address
 * goes. Pure. No shell is involved, so a line that counts on one is refused when the configuration is read, not silently
 * run as something else.
 */
import parseArgsStringToArgv from 'string-argv';
import { type AddressKey, formatAddress } from '../../shared/address.ts';
import { KnockError } from '../../shared/errors.ts';
import { maskQuotes, shellSyntax } from './shell-syntax.ts';

/** What a source's address replaces, anywhere in an argument. */
const PLACEHOLDER = '%IP%';

export interface CommandLine {
  readonly program: string;
  /** With %IP% in them. */
  readonly arguments: readonly string[];
}

/**
 * Splits a configured line at unquoted white space; '...' and "..." keep what is in them, to the letter.
 * @throws KnockError CONFIG_INVALID when it is empty, a quote is not closed, or it needs a shell
 */
export function parseCommandLine(line: string): CommandLine {
  if (line.includes('\0')) throw invalid(line, 'it holds a NUL character', 'remove it');
  const [program = '', ...rest] = parseArgsStringToArgv(line);
  const syntax = shellSyntax(line, program);
  if (syntax !== undefined) {
    const hint = `${syntax.instead ?? 'name a script with %IP% as its argument'}, or say shell = yes`;
    throw invalid(line, `commands run without a shell, and ${syntax.what}`, hint);
  }
  if (/['"]/.test(maskQuotes(line))) {
    throw invalid(line, 'a quote is not closed', 'close it, or put one kind into the other');
  }
  if (program === '') throw invalid(line, 'it names no program', 'write a program and its arguments');
  if (program.includes(PLACEHOLDER)) throw invalid(line, 'the program itself depends on the address', 'name it');
  return { program, arguments: rest };
}

/**
 * A line that a shell reads. An address that is put into it later is digits, letters, dots and colons: no shell takes
 * any of them for syntax.
 * @throws KnockError CONFIG_INVALID when it is empty or would be an option of the shell
 */
export function parseShellLine(line: string): CommandLine {
  if (line.includes('\0')) throw invalid(line, 'it holds a NUL character', 'remove it');
  if (line.trim() === '') throw invalid(line, 'it is empty', 'write what the shell is to do');
  if (/^\s*[-+]/.test(line)) throw invalid(line, 'the shell would take it for its own option', 'begin with a program');
  return { program: '/bin/sh', arguments: ['-c', line] };
}

/**
 * The arguments for one source. The line was split before, so an address never becomes more arguments or an option; only
 * the formatted form of 4 or 16 bytes is ever put in: digits, a to f, dots and colons.
 */
export function argumentsFor(command: CommandLine, source: AddressKey): readonly string[] {
  const address = formatAddress(source);
  return command.arguments.map((argument) => argument.replaceAll(PLACEHOLDER, () => address));
}

function invalid(line: string, what: string, hint: string): KnockError {
  return new KnockError('CONFIG_INVALID', `command "${line.slice(0, 60)}" cannot be run: ${what}`, { hint });
}
