/** A small program with one of each element of a command line, for tests of code that reads a grammar. */
import { Argument, Command, Option } from 'commander';
import type { Completions } from '../../../shared/command-line/grammar.ts';

export const smallCompletions: Completions = {
  program: 'tea-pot',
  kinds: {
    cup: 'cups',
    more: 'cups',
    file: 'files',
    folder: 'folders',
    program: 'programs',
    'shelf take name': 'cups',
    minutes: 'nothing',
    words: 'nothing',
  },
  lists: { cups: 'echo blue; echo "black"', teas: 'echo assam' },
  optionsAnywhere: true,
  passThrough: ['run'],
};

export function smallProgram(): Command {
  const program = new Command('tea-pot').description('makes tea').argument('[cup]', 'the first').argument('[more...]');
  program
    .option('-q', 'quietly')
    .option('-c, --config <file>', 'what it is to do')
    .option('--for <minutes>', 'not [longer]')
    .addOption(new Option('--tea <kind>', 'which tea: any\\all').choices(['assam', 'green']))
    .addOption(new Option('--secret-tea').hideHelp());
  const shelf = program.command('shelf').description("where the cook's cups are");
  shelf
    .command('take')
    .description('from the shelf')
    .argument('<name>', 'of a cup')
    .option('--into <folder>', 'where to');
  shelf
    .command('put')
    .description('onto it')
    .addArgument(new Argument('<where>', 'the row').choices(['top', 'low']));
  program.command('run').description('a program').argument('<program>').argument('[words...]').option('--again');
  return program;
}
