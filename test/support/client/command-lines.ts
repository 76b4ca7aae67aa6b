/** Finds command lines of the programs in texts, and parses them with the real grammar, whose actions do nothing. */
import { PassThrough } from 'node:stream';
import type { Command } from 'commander';
import parseWords from 'string-argv';
import { createProgram as createClient } from '../../../client/cli/program.ts';
import { type KnockOptions, wayOf } from '../../../client/commands/knock-options.ts';
import { createProgram as createServer } from '../../../server/cli.ts';
import { testDeps, testWorld } from './client-deps.ts';

export function clientProgram(): Command {
  return createClient(testDeps(testWorld(), '/nonexistent').deps);
}

export function serverProgram(): Command {
  const silent = { version: '0', stdout: new PassThrough(), stderr: new PassThrough() };
  return createServer(silent, [], () => undefined);
}

/** The words of each knock-otp and knock-otpd command in shell lines, without redirections and comments. */
export function commandsIn(text: string): readonly (readonly string[])[] {
  return text.split('\n').flatMap((line) => {
    const commands: string[][] = [[]];
    let isFile = false;
    for (const word of parseWords(line)) {
      if (word.startsWith('#')) break;
      if (isFile) isFile = false;
      else if (['>', '>>', '<'].includes(word)) isFile = true;
      else if (['|', '&&', '||', ';', '&'].includes(word)) commands.push([]);
      else commands.at(-1)?.push(word);
    }
    return commands.filter(([program = '']) => program === 'knock-otp' || program === 'knock-otpd');
  });
}

/** @throws when the grammar rejects it */
export async function parseCommand([program, ...words]: readonly string[]): Promise<void> {
  const tree = program === 'knock-otp' ? clientProgram() : serverProgram();
  disarm(tree);
  if (program === 'knock-otp') {
    // The meaning of HOST and the words after it is checked after the grammar.
    const judge = (host: string | undefined, more: readonly string[], options: KnockOptions) => {
      if (host === undefined && options.version !== true) throw new Error('no host');
      wayOf(more, options);
    };
    for (const command of [tree, ...tree.commands.filter((each) => each.name() === 'knock')]) command.action(judge);
  }
  try {
    await tree.parseAsync(words, { from: 'user' });
  } catch (cause) {
    const isAnswered = (cause as { exitCode?: number }).exitCode === 0;
    if (!isAnswered) throw new Error(`the grammar refuses: ${[program, ...words].join(' ')}`, { cause });
  }
}

function disarm(command: Command): void {
  // A command that holds commands has no action, and is no command line by itself.
  if (command.commands.length === 0 || command.parent === null) command.action(() => undefined);
  for (const each of command.commands) disarm(each);
}
