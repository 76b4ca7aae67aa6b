/**
 * The command line of knock-otpd. Results go to stdout, talk to stderr with the program's prefix; nothing here ends the
 * process: an exit code comes back. What the commands do is told by the modules they call, which are loaded when they are
 * called: whoever asks for the status, from cron or a monitor, does not wait for a daemon's parts.
 */
import { resolve } from 'node:path';
import { Argument, Command, CommanderError } from 'commander';
import { createColors } from 'picocolors';
import { completionScript, SHELLS, type Shell } from '../shared/command-line/completion.ts';
import { addExamples } from '../shared/command-line/examples.ts';
import { canColor } from '../shared/command-line/terminal.ts';
import { exitCodeOf, formatProblem, KnockError } from '../shared/errors.ts';
import type { ServerConfig } from './config/config.ts';
import { DEFAULT_CONFIGS, findConfig } from './config/find-config.ts';
import type { LoadedServer } from './config/load-server.ts';
import { type ConfigOptions, readConfig } from './config/read-config.ts';
import { askDaemon, askIfRunning } from './control/control-client.ts';
import type { ReloadReport } from './daemon/reload/config-reload.ts';
import { formatStatus, type Status } from './daemon/status.ts';
import type { ExplainFlags } from './explain/explain-command.ts';
import { addSequencesCommand } from './one-time/sequences-command.ts';
import { isInBackground, runInBackground } from './program/background.ts';
import { completions } from './program/completions.ts';
import { EXAMPLES } from './program/examples.ts';
import type { FileFlags, RunFlags } from './program/run-flags.ts';
import { addServiceCommand } from './service/service-command.ts';
import { addSetupCommands } from './setup/setup-commands.ts';

export interface CliDeps {
  readonly version: string;
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
  /** For questions; absent where there is nobody to ask. */
  readonly stdin?: NodeJS.ReadStream;
}

/** Runs one command line (without node and script). Resolves with the exit code: 0 done, 1 failed, 2 usage. */
export async function runCli(args: readonly string[], deps: CliDeps): Promise<number> {
  let exitCode = 0;
  const program = createProgram(deps, args, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync([...args], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    sayError(error, deps, args.includes('-D') || args.includes('--debug'));
    return exitCodeOf(error);
  }
}

/** The whole command line as a commander program that never ends the process. */
export function createProgram(deps: CliDeps, args: readonly string[], setExitCode: (code: number) => void): Command {
  const { stdout, stderr } = deps;
  const say = (line: string) => stderr.write(`knock-otpd: ${line}\n`);
  const print = (line: string) => stdout.write(`${line}\n`);
  const run = async (flags: RunFlags): Promise<void> => {
    const file = fileOf(flags);
    const load = async () => await loaded(file, flags);
    // The background process has the same words, -d and all: it may stand among other letters, as in -dv.
    if (flags.daemon === true && !isInBackground()) {
      // Checked here first: problems belong in front of the user.
      await load();
      setExitCode(await runInBackground(args, stderr));
      return;
    }
    const { runDaemon } = await import('./program/run-daemon.ts');
    const kept = await runDaemon({
      version: deps.version,
      loaded: await load(),
      load,
      verbose: flags.verbose === true || flags.debug === true,
      lookup: flags.lookup === true,
      ipv4Only: flags.onlyIpV4 === true,
      ...(flags.trial === undefined ? {} : { trialSeconds: flags.trial }),
      stderr,
    });
    if (!kept) setExitCode(1);
  };
  const program = new Command('knock-otpd');
  program
    .description('opens a port to a client that sends a one-time knock')
    .version(deps.version, '-V, --version')
    .option('-c, --config <file>', `configuration file (default: ${DEFAULT_CONFIGS.join(', or if missing ')})`)
    .option('-i, --interface <names>', 'interface to listen on, instead of the configured one')
    .option('-g, --logfile <file>', 'log file, instead of the configured one')
    .option('-p, --pidfile <file>', 'pid file, instead of the configured one')
    .option('-l, --lookup', 'log the host name of a source that opened a door with a written-down sequence')
    .option('-4, --only-ip-v4', 'ignore IPv6')
    .option('-d, --daemon', 'run in the background')
    .option('-v, --verbose', 'log more')
    .option('-D, --debug', 'log more, and print stack traces of errors')
    .action(async () => await run(program.opts<RunFlags>()));
  program.exitOverride().configureOutput({
    writeOut: (text) => stdout.write(text),
    writeErr: (text) => stderr.write(text.replace(/^error: /, 'knock-otpd: error: ')),
  });
  const command = (words: string, description: string) => program.command(words).description(description);

  command('check', 'check the configuration and print how safe each door is; changes nothing')
    .option('--json', 'print JSON')
    .action(async (_flags: unknown, self: Command) => {
      const flags = self.optsWithGlobals<FileFlags & { json?: boolean }>();
      const server = await loaded(fileOf(flags), flags);
      if (flags.json === true)
        print(JSON.stringify((await import('./config/check/check-report.ts')).checkReport(server)));
      else print((await import('./config/check/describe-check.ts')).describeCheck(server));
      // The daemon runs all the same, for the sake of its other doors.
      if ([...server.files.values()].some(({ shut }) => shut !== undefined)) setExitCode(1);
    });

  command('enroll <name>', 'make a secret for a client and print it as a profile URI')
    .option('--door <door>', 'the door that the client may open (not needed if there is only one)')
    .option('--host <address>', 'name or address at which the client reaches this server')
    .option('--replace', 'replace the secret of a client that is already enrolled')
    .action(async (name: string, _flags: unknown, self: Command) => {
      const flags = self.optsWithGlobals<FileFlags & { door?: string; host?: string; replace?: boolean }>();
      const config = await readConfig(fileOf(flags), overrides(flags));
      const { enrolClient } = await import('./config/clients/enrol-client.ts');
      const uri = await enrolClient(config, {
        name,
        ...(flags.door === undefined ? {} : { door: flags.door }),
        ...(flags.host === undefined ? {} : { host: flags.host }),
        replace: flags.replace === true,
      });
      print(uri);
      say('that line holds the secret: send it over a private channel; it is not shown again');
      say('on the client type this command, then paste the line:');
      say(`  knock-otp add -${flags.host === undefined ? ' --host ADDRESS' : ''} --as ${config.serverId}`);
      say(await tellDaemon(config));
    });

  command('revoke <name>', "delete a client's secret and close the client's openings")
    .option('--door <door>', 'at this door only')
    .action(async (name: string, _flags: unknown, self: Command) => {
      const flags = self.optsWithGlobals<FileFlags & { door?: string }>();
      const config = await readConfig(fileOf(flags), overrides(flags));
      const { removeClient } = await import('./config/clients/client-writes.ts');
      const doors = await removeClient(config, name, flags.door);
      say(`${name} is revoked at ${doors.join(', ')}`);
      say(await tellDaemon(config));
    });

  command('status', 'show the state of the running daemon; exit 0 only if it is healthy')
    .option('--json', 'print JSON')
    .action(async (_flags: unknown, self: Command) => {
      const flags = self.optsWithGlobals<FileFlags & { json?: boolean }>();
      const config = await readConfig(fileOf(flags), overrides(flags));
      // The daemon is this very version or says so: the type is a promise between two ends of one program.
      const status = (await askDaemon(config.stateDir, 'status')) as Status;
      const text = flags.json === true ? JSON.stringify(status) : formatStatus(status, Date.now());
      const { red } = createColors(canColor(stdout as Partial<NodeJS.WriteStream>, process.env));
      print(status.healthy ? text : text.replace('NOT HEALTHY', red('NOT HEALTHY')));
      setExitCode(status.healthy ? 0 : 1);
    });

  command('reload', 'make the running daemon read its configuration again; exit 0 only if it accepts the file').action(
    async (_flags: unknown, self: Command) => {
      const flags = self.optsWithGlobals<FileFlags>();
      // Read here first: a broken file need not even say where the daemon is.
      const { config } = await loaded(fileOf(flags), flags);
      const report = (await askDaemon(config.stateDir, 'reload')) as ReloadReport;
      const { describeReload } = await import('./daemon/reload/config-reload.ts');
      say(describeReload(report));
    },
  );

  command('explain [file]', 'explain for each packet of a capture file (pcap, pcapng) why a door opened or stayed shut')
    .option('--live', 'explain the packets that the running daemon hears, instead of a file')
    .option('--at <time>', 'assume this time for the first packet, instead of the time in the file')
    .option('--own <addresses>', "the server's addresses at that time, with commas (default: this host's)")
    .option('--json', 'print JSON, one object a line')
    .action(async (path: string | undefined, _flags: unknown, self: Command) => {
      const flags = self.optsWithGlobals<FileFlags & ExplainFlags>();
      const { explain } = await import('./explain/explain-command.ts');
      await explain(path, flags, async () => await loaded(fileOf(flags), flags), { print, say });
    });

  command('watch', 'show doors, openings and knocks of the running daemon as they change').action(
    async (_flags: unknown, self: Command) => {
      const flags = self.optsWithGlobals<FileFlags>();
      const config = await readConfig(fileOf(flags), overrides(flags));
      const { watch } = await import('./watch/watch-command.ts');
      await watch(config.stateDir, stdout, process.stdin);
    },
  );

  const read = async (self: Command) => {
    const flags = self.optsWithGlobals<FileFlags>();
    return await readConfig(fileOf(flags), overrides(flags));
  };
  addSetupCommands(program, { stdin: deps.stdin, stderr, say, print, setExitCode, read, run });
  addServiceCommand(program, { say, print, read });

  addSequencesCommand(program.command('sequences'), say);

  command('accept-clock', 'tell the daemon that the clock is right although it was set back').action(
    async (_flags: unknown, self: Command) => {
      const flags = self.optsWithGlobals<FileFlags>();
      const config = await readConfig(fileOf(flags), overrides(flags));
      await askDaemon(config.stateDir, 'accept-clock');
      say('the clock is accepted');
    },
  );

  command('completion', 'print a script for shell completion of commands, options, doors and clients')
    .addArgument(new Argument('<shell>').choices(SHELLS))
    .action((shell: Shell) => {
      stdout.write(completionScript(shell, program, completions));
    });
  addExamples(program, EXAMPLES);
  return program;
}

function fileOf({ config }: FileFlags): string {
  return config ?? findConfig();
}

function overrides(flags: FileFlags): ConfigOptions {
  return {
    ...(flags.interface === undefined ? {} : { interfaceOverride: flags.interface }),
    ...(flags.logfile === undefined ? {} : { logFileOverride: resolve(flags.logfile) }),
    ...(flags.pidfile === undefined ? {} : { pidFileOverride: resolve(flags.pidfile) }),
  };
}

/** Configuration, client files and one-time files. */
async function loaded(file: string, flags: FileFlags): Promise<LoadedServer> {
  const { loadServer } = await import('./config/load-server.ts');
  return await loadServer(file, overrides(flags));
}

async function tellDaemon(config: ServerConfig): Promise<string> {
  const told = await askIfRunning(config.stateDir, 'reload-clients');
  return told === undefined
    ? 'no daemon is running: the change takes effect when one starts'
    : 'the running daemon uses the change';
}

function sayError(error: unknown, { stderr }: CliDeps, debug: boolean): void {
  const say = (line: string) => stderr.write(`knock-otpd: ${line}\n`);
  if (!(error instanceof KnockError)) {
    say(`error: unexpected: ${error instanceof Error ? error.message : String(error)}`);
    if (debug && error instanceof Error) say(error.stack ?? '');
    return;
  }
  const cause = error.cause instanceof Error ? `: ${error.cause.message}` : '';
  say(`error: ${error.message}${cause}`);
  for (const problem of error.problems) say(`  ${formatProblem(problem)}`);
  if (error.hint !== undefined) say(`hint: ${error.hint}`);
  if (debug) say(error.stack ?? '');
}
