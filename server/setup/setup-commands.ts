/**
 * The commands of knock-otpd for the first day and the last: init, run --trial, confirm, flush. Parses their options
 * and reports. Loads the modules that do the work (`init.ts`, `server/trial`) when a command is called.
 */
import { type Command, InvalidArgumentError } from 'commander';
import { KnockError } from '../../shared/errors.ts';
import type { ServerConfig } from '../config/config.ts';
import { parseDuration } from '../config/duration.ts';
import { DEFAULT_CONFIGS } from '../config/find-config.ts';
import { askDaemon } from '../control/control-client.ts';
import type { RunFlags } from '../program/run-flags.ts';
import { explain } from './first-config.ts';
import type { InitFlags } from './init.ts';
import { qrCode } from './qr.ts';
import { silentAsker, terminalAsker } from './terminal-questions.ts';

export interface SetupDeps {
  readonly stdin: NodeJS.ReadStream | undefined;
  readonly stderr: NodeJS.WritableStream;
  readonly say: (line: string) => void;
  readonly print: (line: string) => void;
  readonly setExitCode: (code: number) => void;
  /** Reads the configuration that the flags of the command line name. */
  readonly read: (self: Command) => Promise<ServerConfig>;
  readonly run: (flags: RunFlags) => Promise<void>;
}

/** A shorter trial leaves no time to knock; a longer one is not a trial. */
const TRIAL_SECONDS = { least: 10, most: 86_400 };

export function addSetupCommands(program: Command, deps: SetupDeps): void {
  const { say } = deps;
  addInit(program, deps);

  program
    .command('run')
    .description('run the daemon, the same as knock-otpd without a command')
    .option('--trial <time>', 'remove the guard after this time, such as 5m or 90s, unless you confirm', trialSeconds)
    .action(async (_flags: unknown, self: Command) => await deps.run(self.optsWithGlobals<RunFlags>()));

  program
    .command('confirm')
    .description('end a trial and keep the guard; first open the door by a knock')
    .action(async (_flags: unknown, self: Command) => {
      await askDaemon((await deps.read(self)).stateDir, 'confirm');
      say('confirmed: the guard stays');
    });

  program
    .command('flush')
    .description('remove all rules of knock-otp from the firewall; the ports are then open to everyone')
    .action(async (_flags: unknown, self: Command) => {
      const { flushFirewall } = await import('../trial/flush.ts');
      const { closed, left } = await flushFirewall(await deps.read(self));
      for (const what of closed) say(`closed: ${what}`);
      for (const what of left) say(`left: ${what}`);
      say(
        left.length === 0
          ? 'the firewall has no more rules of knock-otp: the ports are open to everyone'
          : 'some rules of knock-otp are still in the firewall',
      );
      if (left.length > 0) deps.setExitCode(1);
    });
}

interface InitCommandFlags extends InitFlags {
  readonly config?: string;
  readonly yes?: boolean;
  readonly qr?: boolean;
}

function addInit(program: Command, { stdin, stderr, say, print }: SetupDeps): void {
  program
    .command('init')
    .description('write a configuration and enroll a first client; starts nothing')
    .option('--server <name>', 'name of this server, part of every sequence')
    .option('--door <name>', 'name of the door')
    .option('--open <what>', 'the firewall and the ports to hide: nftables tcp/22')
    .option('--client <name>', 'name of the first client')
    .option('--host <address>', 'name or address at which clients reach this server')
    .option('--state-dir <folder>', 'where the daemon stores spent factors')
    .option('--clients-dir <folder>', "where the clients' secrets are stored")
    .option('-y, --yes', 'ask no questions: use the default for each missing option')
    .option('--qr', 'show the QR code even without a terminal')
    .option('--no-qr', 'show no QR code')
    .action(async (_flags: unknown, self: Command) => {
      const flags = self.optsWithGlobals<InitCommandFlags>();
      const isTerminal = stdin?.isTTY === true;
      if (flags.yes !== true && !isTerminal) {
        throw new KnockError('USAGE', 'there is no terminal to ask on', {
          hint: 'use knock-otpd init --yes, with an option for each value that differs from the default',
        });
      }
      const { initialize } = await import('./init.ts');
      const asker = flags.yes === true || stdin === undefined ? silentAsker : terminalAsker(stdin, stderr);
      try {
        const made = await initialize(flags.config ?? DEFAULT_CONFIGS[0], flags, asker);
        for (const line of explain(made.files, made)) say(line);
        await showCode(made.uri, flags.qr, stderr, say);
        print(made.uri);
        say('that line (and the code) holds the secret: send it over a private channel; it is not shown again');
        say('on the client type this command, then paste the line:');
        say(`  knock-otp add -${made.host === '' ? ' --host ADDRESS' : ''} --as ${made.config.serverId}`);
      } finally {
        asker.close();
      }
    });
}

/** @param wanted undefined: show the code on a terminal, if it fits */
async function showCode(
  uri: string,
  wanted: boolean | undefined,
  stream: NodeJS.WritableStream,
  say: (line: string) => void,
): Promise<void> {
  const { isTTY, columns } = stream as Partial<NodeJS.WriteStream>;
  if (!(wanted ?? isTTY === true)) return;
  const code = await qrCode(uri);
  const width = Math.max(...code.split('\n').map((line) => [...line].length));
  // A code whose lines wrap cannot be scanned.
  if (wanted === undefined && columns !== undefined && columns > 0 && columns < width) {
    say(`no QR code: it takes ${width} columns, and this terminal has ${columns}`);
    return;
  }
  stream.write(`${code}\n`);
}

function trialSeconds(text: string): number {
  const seconds = parseDuration(text);
  if (seconds === undefined || seconds < TRIAL_SECONDS.least || seconds > TRIAL_SECONDS.most) {
    throw new InvalidArgumentError('a time from 10s to 1d, as in 5m.');
  }
  return seconds;
}
