/** The grammar of `knock-otp HOST` and its options. */
import type { Command } from 'commander';
import { KnockError } from '../../shared/errors.ts';
import type { KnockOptions } from '../commands/knock-options.ts';
import type { Deps } from '../deps.ts';
import { print } from '../terminal/output.ts';
import { integer } from './subcommand.ts';

/** The maximum of --delay: no path needs a longer pause between two knocks. */
const MAX_DELAY_MS = 60_000;

export function hostCommand(command: Command, host: string, deps: Deps): void {
  command
    .argument(host, 'a profile, the host or address in one, or a group; with ports or --one-time, any host or address')
    .argument('[more...]', 'more hosts; or ports to knock at without a profile; with --proxy: the port to connect to')
    .option('--all', 'open all the hosts (default: only the first that opens)')
    .option('--again', 'knock even if the door is open: its time starts again')
    .option('--door <door>', 'which door, if the host has several')
    .option('--one-time <file>', 'take the next line of this file of one-time sequences, strike it out, and knock it')
    .option('-4, --ipv4', 'knock over IPv4')
    .option('-6, --ipv6', 'knock over IPv6')
    .option('--both', 'knock over IPv4 and IPv6, with one factor each')
    .option('-u, --udp', 'all ports on the command line are UDP')
    .option(
      '-d, --delay <ms>',
      'time between two knocks (default: 15 if their order matters, else 0)',
      integer(0, MAX_DELAY_MS),
    )
    .option('--verify <port>', 'the TCP port that shows whether the door is open', integer(1, 65535))
    .option('--no-verify', 'send the knocks, but do not check whether the door opens')
    .option('--timeout <seconds>', 'time limit for the whole run (default: 60; 10 without a profile)', integer(1, 3600))
    .option('--source <address>', 'your address as the server sees it, if the door binds a knock to its source')
    .option('--whoami <name@server>', 'or ask the name server SERVER for that address, with a query for NAME')
    .option('--proxy', 'after the knock, connect to PORT and pass on standard input and output')
    .option('-v, --verbose', 'show each knock when it is sent')
    .option('--json', 'print the result as JSON')
    .action(async (name: string | undefined, words: string[], options: KnockOptions) => {
      if (options.version === true) {
        const { version } = await import('../../shared/files/version.ts');
        print(deps, version());
        return;
      }
      if (name === undefined) {
        throw new KnockError('USAGE', 'no host given', { hint: 'knock-otp HOST, or knock-otp --help' });
      }
      const { knockAtHost } = await import('../commands/knock-command.ts');
      await knockAtHost(name, words, options, deps);
    });
}
