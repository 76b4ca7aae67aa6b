/**
 * The command line: grammar, help and usage errors. Results go to standard output; talk goes to standard error behind
 * `knock-otp:`, lower case, no full stop. What a command does is in the module it loads; what comes of it is run.ts.
 */
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import type { Shell } from '../shared/command-line/completion.ts';
import { addExamples } from '../shared/command-line/examples.ts';
import { KnockError } from '../shared/errors.ts';
import type { CommandName } from './commands.ts';
import type { Deps } from './deps.ts';
import type { DoctorOptions } from './doctor-command.ts';
import { EXAMPLES } from './examples.ts';
import { HAND_FORMS } from './hand-lines.ts';
import type { HostOptions } from './host-options.ts';
import type { LockOptions } from './lock-commands.ts';
import type { AddOptions } from './profile-commands.ts';
import type { ShowOptions } from './show-command.ts';
import type { SshOptions } from './ssh-command.ts';
import { PROGRAM, print, withoutUris } from './talk.ts';

/** Of --delay: no path needs more between two knocks. */
const MAX_DELAY_MS = 60_000;

const HELP_TAIL = `
Exit code: 0 the door is open (or the knocks are sent, where nothing is verified), 1 it is not, 2 the command line or a profile is wrong.`;

const PASSPHRASE_TAIL = `
The passphrase is asked for at the terminal, also under ssh. Without a terminal: KNOCK_OTP_PASSPHRASE_FILE names a private
file, KNOCK_OTP_PASSPHRASE_FD a descriptor; its first line is the passphrase.`;

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
  hostCommand(sub(program, deps, 'knock', 'the same, for a host that is called like a command'), '<host>', deps);
  connectingCommands(program, deps, ended);
  groupCommands(program, deps);

  sub(program, deps, 'add', 'add the profile that knock-otpd enroll printed')
    .argument('<uri>', 'the otpauth:// line, or - to read it from standard input')
    .option('--host <address>', 'name or address to knock at')
    .option('--as <name>', 'what to type for it (default: the name of the server)')
    .option('--passphrase', 'lock its secret with a passphrase')
    .option('--keyring', "keep its secret in the system's keyring")
    .option('--source <address>', 'the address that the server sees us under, where the door binds a knock to it')
    .option('--whoami <name@server>', 'or the name server to ask for it, and for which name')
    .action(async (uri: string, options: AddOptions) => {
      const { addProfile } = await import('./profile-commands.ts');
      await addProfile(uri, options, deps);
    });
  sub(program, deps, 'list', 'list the profiles')
    .option('--json', 'as JSON')
    .action(async (options: { json?: boolean }) => {
      const { listProfiles } = await import('./profile-commands.ts');
      await listProfiles(options.json === true, deps);
    });
  sub(program, deps, 'remove', 'remove a profile')
    .argument('<name>')
    .option('--door <door>', 'which of its doors')
    .action(async (name: string, options: { door?: string }) => {
      const { removeProfile } = await import('./profile-commands.ts');
      await removeProfile(name, options.door, deps);
    });
  lockCommands(program, deps);
  doctorCommand(program, deps, ended);
  sub(program, deps, 'show', 'print the sequence of the next knock without spending it')
    .argument('<host>')
    .option('--door <door>', 'which of its doors')
    .option('--at <unix-seconds>', 'the sequence of that time', integer(0, 2 ** 40))
    .option('--counter <n>', 'the sequence of that counter', integer(0, Number.MAX_SAFE_INTEGER))
    .addOption(new Option('--as <form>', 'as a line for a machine that has nothing of ours').choices(HAND_FORMS))
    .option('-4, --ipv4', 'with --as: knock over IPv4')
    .option('-6, --ipv6', 'with --as: knock over IPv6')
    .option('--source <address>', 'the address that the server sees us under, where the door binds a knock to it')
    .option('--one-time <file>', 'the next line of a file of one-time sequences, without striking it')
    .option('--code', 'the code that an authenticator app shows, to compare clock and secret')
    .action(async (host: string, options: ShowOptions) => {
      const { showHost } = await import('./show-command.ts');
      await showHost(host, options, deps);
    });
  completionCommand(program, deps);
  addExamples(program, EXAMPLES);
  return program;
}

/**
 * Runs the program. Usage and help have been printed when it returns.
 * @returns 0 done, 2 usage; of a program that was run, its exit status
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

/** Those that run another program once the door is open. */
function connectingCommands(program: Command, deps: Deps, ended: { status: number }): void {
  sub(program, deps, 'ssh', 'knock, then the ssh of this system; its options, its exit code')
    .usage('[options] [ssh options] [user@]HOST [ssh options] [command...]')
    .argument('<words...>', 'as for ssh; HOST is a profile, the host or address in one, or a group')
    .passThroughOptions()
    .allowUnknownOption()
    .option('--door <door>', 'which door, where the host has several')
    .option('--again', 'knock although the door stands open')
    .option('--timeout <seconds>', 'for the knock (default: 60)', integer(1, 3600))
    .option('--verbose', 'show each knock when it is sent')
    .action(async (words: string[], options: SshOptions) => {
      const { sshTo } = await import('./ssh-command.ts');
      ended.status = await sshTo(words, options, deps);
    });
  sub(program, deps, 'exec', 'knock, then run a program; its exit code')
    .usage('[options] HOST -- COMMAND...')
    .argument('<host>', 'a profile, the host or address in one, or a group')
    .argument('<command...>', 'gets KNOCK_OTP_HOST, KNOCK_OTP_ADDRESS and KNOCK_OTP_PORT in its environment')
    .option('--door <door>', 'which door, where the host has several')
    .option('--again', 'knock although the door stands open: its time begins anew')
    .option('-4, --ipv4', 'knock over IPv4')
    .option('-6, --ipv6', 'knock over IPv6')
    .option('--verify <port>', 'the TCP port that shows whether the door opens', integer(1, 65535))
    .option('--no-verify', 'send the knocks and do not look whether the door opens')
    .option('--timeout <seconds>', 'for the knock (default: 60)', integer(1, 3600))
    .option('-v, --verbose', 'show each knock when it is sent')
    .action(async (host: string, command: string[], options: HostOptions) => {
      const { runBehindDoor } = await import('./exec-command.ts');
      ended.status = await runBehindDoor(host, command, options, deps);
    });
  sub(program, deps, 'ssh-config', 'print the lines for ~/.ssh/config with which ssh knocks by itself')
    .argument('[hosts...]', 'profiles, hosts or groups (default: every profile)')
    .option('--door <door>', 'which door, where the host has several')
    .action(async (hosts: string[], options: { door?: string }) => {
      const { printSshConfig } = await import('./ssh-config-command.ts');
      await printSshConfig(hosts, options.door, deps);
    });
}

function doctorCommand(program: Command, deps: Deps, ended: { status: number }): void {
  sub(program, deps, 'doctor', 'look for what keeps a knock from working, and say what to do; spends nothing')
    .argument('<host>', 'a profile, or the host or address in one')
    .option('--door <door>', 'which of its doors')
    .option('--ntp <server>', 'compare the clock with this server (default: those that this host is set up to use)')
    .option(
      '--echo <host>',
      'a host of yours whose closed ports refuse: shows whether this network lets high ports out',
    )
    .option('--json', 'as JSON')
    .addHelpText('after', '\nExit code: 0 when nothing fails, 1 when something does, 2 the command line is wrong.')
    .action(async (host: string, options: DoctorOptions) => {
      const { examine } = await import('./doctor-command.ts');
      ended.status = await examine(host, options, deps);
    });
}

/** Where a secret is kept. */
function lockCommands(program: Command, deps: Deps): void {
  sub(program, deps, 'lock', "keep a profile's secret under a passphrase, or in the system's keyring")
    .argument('<host>')
    .option('--door <door>', 'which of its doors')
    .option('--passphrase', 'under a passphrase (default)')
    .option('--keyring', "in the system's keyring")
    .addHelpText('after', PASSPHRASE_TAIL)
    .action(async (host: string, options: LockOptions) => {
      const { lockProfile } = await import('./lock-commands.ts');
      await lockProfile(host, options, deps);
    });
  sub(program, deps, 'unlock', "keep a profile's secret in its file again, readable by its owner")
    .argument('<host>')
    .option('--door <door>', 'which of its doors')
    .action(async (host: string, options: { door?: string }) => {
      const { unlockProfile } = await import('./lock-commands.ts');
      await unlockProfile(host, options.door, deps);
    });
}

function groupCommands(program: Command, deps: Deps): void {
  const group = sub(program, deps, 'group', 'names for several hosts, of which any will do');
  group.enablePositionalOptions().helpCommand(false);
  sub(group, deps, 'add', 'make a group, or replace it')
    .argument('<name>')
    .argument('<hosts...>', 'profiles, in the order in which they are tried')
    .action(async (name: string, hosts: string[]) => {
      const { addGroup } = await import('./group-commands.ts');
      await addGroup(name, hosts, deps);
    });
  sub(group, deps, 'list', 'list the groups')
    .option('--json', 'as JSON')
    .action(async (options: { json?: boolean }) => {
      const { listGroups } = await import('./group-commands.ts');
      await listGroups(options.json === true, deps);
    });
  sub(group, deps, 'remove', 'remove a group; its hosts stay')
    .argument('<name>')
    .action(async (name: string) => {
      const { removeGroup } = await import('./group-commands.ts');
      await removeGroup(name, deps);
    });
}

function completionCommand(program: Command, deps: Deps): void {
  sub(program, deps, 'completion', 'print what makes a shell complete commands, options and hosts')
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish']))
    .action(async (shell: Shell) => {
      const { completionScript } = await import('../shared/command-line/completion.ts');
      const { completions } = await import('./completions.ts');
      deps.stdout.write(completionScript(shell, program, completions));
    });
}

function hostCommand(command: Command, host: string, deps: Deps): void {
  command
    .argument(host, 'a profile, the host or address in one, or a group; with ports or --one-time, any host or address')
    .argument('[more...]', 'more hosts; or ports to knock at without a profile; with --proxy: the port to connect to')
    .option('--all', 'open all of several hosts (default: the first that opens)')
    .option('--again', 'knock although the door stands open: its time begins anew')
    .option('--door <door>', 'which door, where the host has several')
    .option('--one-time <file>', 'strike the next line of this file of one-time sequences, and knock it')
    .option('-4, --ipv4', 'knock over IPv4')
    .option('-6, --ipv6', 'knock over IPv6')
    .option('--both', 'knock over both, one factor each')
    .option('-u, --udp', 'all ports of the command line are UDP')
    .option('-d, --delay <ms>', 'between two knocks (default: 15 where order matters)', integer(0, MAX_DELAY_MS))
    .option('--verify <port>', 'the TCP port that shows whether the door opens', integer(1, 65535))
    .option('--no-verify', 'send the knocks and do not look whether the door opens')
    .option('--timeout <seconds>', 'for everything together (default: 60; 10 without a profile)', integer(1, 3600))
    .option('--source <address>', 'the address that the server sees us under, where the door binds a knock to it')
    .option('--whoami <name@server>', 'or the name server to ask for it, and for which name')
    .option('--proxy', 'then carry a connection to PORT over standard input and output')
    .option('-v, --verbose', 'show each knock when it is sent')
    .option('--json', 'the result as JSON')
    .action(async (name: string | undefined, words: string[], options: HostOptions) => {
      if (options.version === true) {
        const { version } = await import('./version.ts');
        print(deps, version());
        return;
      }
      if (name === undefined) {
        throw new KnockError('USAGE', 'no host given', { hint: 'knock-otp HOST, or knock-otp --help' });
      }
      const { knockAtHost } = await import('./host-command.ts');
      await knockAtHost(name, words, options, deps);
    });
}

function sub(program: Command, deps: Deps, name: CommandName, description: string): Command {
  const command = program.command(name).description(description).helpOption('-h, --help', 'show this help');
  setUp(command, deps);
  return command;
}

function setUp(command: Command, deps: Deps): void {
  command.exitOverride().configureOutput({
    writeOut: (text) => deps.stdout.write(text),
    writeErr: (text) => deps.stderr.write(text),
    // The help must read the same in a pipe, a narrow terminal and the documentation.
    getOutHelpWidth: () => 120,
    getErrHelpWidth: () => 120,
    outputError: (text, write) => write(`${PROGRAM}: ${withoutUris(text)}${PROGRAM}: hint: see ${PROGRAM} --help\n`),
  });
}

function integer(from: number, to: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^[0-9]{1,16}$/.test(text) && from <= value && value <= to) return value;
    throw new InvalidArgumentError(`not an integer from ${from} to ${to}`);
  };
}
