/** The common parts of the grammar: a subcommand, integers, and the output of commander. */
import { type Command, InvalidArgumentError } from 'commander';
import type { Deps } from '../deps.ts';
import type { CommandName } from '../terminal/command-names.ts';
import { PROGRAM, withoutUris } from '../terminal/output.ts';

export function sub(program: Command, deps: Deps, name: CommandName, description: string): Command {
  const command = program.command(name).description(description).helpOption('-h, --help', 'show this help');
  setUp(command, deps);
  return command;
}

export function setUp(command: Command, deps: Deps): void {
  command.exitOverride().configureOutput({
    writeOut: (text) => deps.stdout.write(text),
    writeErr: (text) => deps.stderr.write(text),
    // The help must look the same in a pipe, a narrow terminal and the documentation.
    getOutHelpWidth: () => 120,
    getErrHelpWidth: () => 120,
    outputError: (text, write) => write(`${PROGRAM}: ${withoutUris(text)}${PROGRAM}: hint: see ${PROGRAM} --help\n`),
  });
}

export function integer(from: number, to: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^[0-9]{1,16}$/.test(text) && from <= value && value <= to) return value;
    throw new InvalidArgumentError(`not an integer from ${from} to ${to}`);
  };
}
