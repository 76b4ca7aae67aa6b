/**
 * The grammar of the whole command line, its help and usage errors. Each command loads its module only when it runs.
 * Results go to standard output; messages go to standard error after `knock-otp:`, in lower case, without a full stop.
 */
import { Argument, Command, CommanderError, Option } from 'commander';
import type { Shell } from '../../shared/command-line/completion.ts';
import { addExamples } from '../../shared/command-line/examples.ts';
import { HAND_FORMS } from '../by-hand/hand-lines.ts';
import type { DoctorOptions } from '../commands/doctor-command.ts';
import type { ShowOptions } from '../commands/show-command.ts';
import type { Deps } from '../deps.ts';
import { PROGRAM } from '../terminal/output.ts';
import { connectingCommands } from './connection-commands.ts';
import { EXAMPLES } from './examples.ts';
import { hostCommand } from './knock-command-line.ts';
import { groupCommands, lockCommands, profileCommands } from './stored-commands.ts';
import { integer, setUp, sub } from './subcommand.ts';

const HELP_TAIL = `
Exit code: 0 if the door is open (or, without verification, if the knocks are sent), 1 if it is not, 2 if the command
line or a profile is wrong.`;

/**
 * The whole command line as a commander program that never ends the process.
 * @param ended gets the exit status of a program that was run, `ssh` or `exec`
 * @throws from parseAsync: CommanderError for usage and help, KnockError for everything expected
 */
export function createProgram(deps: Deps, ended: { status: number } = { status: 0 }): Command {
  const program = new Command(PROGRAM)
    .description('opens a hidden door on HOST with a one-time knock')
    .usage('HOST... [options]\n       knock-otp HOST PORT[:udp]... [options]\n       knock-otp COMMAND ...')
    .enablePositionalOptions()
    .helpCommand(false)
    .helpOption('-h, --help', 'show this help')
    .option('-V, --version', 'show the version')
    .addHelpText('after', HELP_TAIL);
  setUp(program, deps);
  hostCommand(program, '[host]', deps);
  hostCommand(sub(program, deps, 'knock', 'the same, for a host whose name is also a command'), '<host>', deps);
  connectingCommands(program, deps, ended);
  groupCommands(program, deps);
  profileCommands(program, deps);
  lockCommands(program, deps);
  doctorCommand(program, deps, ended);
  sub(program, deps, 'show', 'print the sequence of the next knock without spending it')
    .argument('<host>')
    .option('--door <door>', 'which door, if the host has several')
    .option('--at <unix-seconds>', 'the sequence for this time', integer(0, 2 ** 40))
    .option('--counter <n>', 'the sequence for this counter', integer(0, Number.MAX_SAFE_INTEGER))
    .addOption(new Option('--as <form>', 'as a command line for a machine without knock-otp').choices(HAND_FORMS))
    .option('-4, --ipv4', 'with --as: knock over IPv4')
    .option('-6, --ipv6', 'with --as: knock over IPv6')
    .option('--source <address>', 'your address as the server sees it, if the door binds a knock to its source')
    .option('--one-time <file>', 'the next line of this file of one-time sequences, without spending it')
    .option('--code', 'the code that an authenticator app shows, to compare clock and secret')
    .action(async (host: string, options: ShowOptions) => {
      const { showHost } = await import('../commands/show-command.ts');
      await showHost(host, options, deps);
    });
  completionCommand(program, deps);
  addExamples(program, EXAMPLES);
  return program;
}

/**
 * Runs the program. Usage and help are printed when it returns.
 * @returns 0 for success, 2 for a usage error; after `ssh` or `exec`, the exit status of that program
 * @throws KnockError for everything expected
 */
export async function runCommandLine(argv: readonly string[], deps: Deps): Promise<number> {
  const ended = { status: 0 };
  try {
    await createProgram(deps, ended).parseAsync([...argv], { from: 'user' });
    return ended.status;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    throw error;
  }
}

function doctorCommand(program: Command, deps: Deps, ended: { status: number }): void {
  sub(program, deps, 'doctor', 'find out why a knock does not work, and say what to do; spends no factor')
    .argument('<host>', 'a profile, or the host or address in one')
    .option('--door <door>', 'which door, if the host has several')
    .option('--ntp <server>', 'compare the clock with this time server (default: those configured on this machine)')
    .option(
      '--echo <host>',
      'a host of yours whose closed ports refuse connections: shows whether this network lets high ports out',
    )
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExit code: 0 if no check fails, 1 if one fails, 2 if the command line is wrong.')
    .action(async (host: string, options: DoctorOptions) => {
      const { runDoctor } = await import('../commands/doctor-command.ts');
      ended.status = await runDoctor(host, options, deps);
    });
}

function completionCommand(program: Command, deps: Deps): void {
  sub(program, deps, 'completion', 'print the script with which a shell completes commands, options and hosts')
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish']))
    .action(async (shell: Shell) => {
      const { completionScript } = await import('../../shared/command-line/completion.ts');
      const { completions } = await import('./completions.ts');
      deps.stdout.write(completionScript(shell, program, completions));
    });
}
