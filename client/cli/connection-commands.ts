/** The grammar of the commands that connect through an open door: `ssh`, `exec`, and `ssh-config`. */
import type { Command } from 'commander';
import type { KnockOptions } from '../commands/knock-options.ts';
import type { SshOptions } from '../commands/ssh-command.ts';
import type { Deps } from '../deps.ts';
import { integer, sub } from './subcommand.ts';

/** @param ended gets the exit status of the program that was run */
export function connectingCommands(program: Command, deps: Deps, ended: { status: number }): void {
  sub(program, deps, 'ssh', 'knock, then run ssh with its own options; returns the exit code of ssh')
    .usage('[options] [ssh options] [user@]HOST [ssh options] [command...]')
    .argument('<words...>', 'the words for ssh; HOST is a profile, the host or address in one, or a group')
    .passThroughOptions()
    .allowUnknownOption()
    .option('--door <door>', 'which door, if the host has several')
    .option('--again', 'knock even if the door is open')
    .option('--timeout <seconds>', 'time limit for the knock (default: 60)', integer(1, 3600))
    .option('--verbose', 'show each knock when it is sent')
    .action(async (words: string[], options: SshOptions) => {
      const { sshTo } = await import('../commands/ssh-command.ts');
      ended.status = await sshTo(words, options, deps);
    });
  sub(program, deps, 'exec', 'knock, then run a program; returns the exit code of the program')
    .usage('[options] HOST -- COMMAND...')
    .argument('<host>', 'a profile, the host or address in one, or a group')
    .argument(
      '<command...>',
      'the program; finds KNOCK_OTP_HOST, KNOCK_OTP_ADDRESS and KNOCK_OTP_PORT in its environment',
    )
    .option('--door <door>', 'which door, if the host has several')
    .option('--again', 'knock even if the door is open: its time starts again')
    .option('-4, --ipv4', 'knock over IPv4')
    .option('-6, --ipv6', 'knock over IPv6')
    .option('--verify <port>', 'the TCP port that shows whether the door is open', integer(1, 65535))
    .option('--no-verify', 'send the knocks, but do not check whether the door opens')
    .option('--timeout <seconds>', 'time limit for the knock (default: 60)', integer(1, 3600))
    .option('-v, --verbose', 'show each knock when it is sent')
    .action(async (host: string, command: string[], options: KnockOptions) => {
      const { runBehindDoor } = await import('../commands/exec-command.ts');
      ended.status = await runBehindDoor(host, command, options, deps);
    });
  sub(program, deps, 'ssh-config', 'print the lines for ~/.ssh/config that make ssh knock by itself')
    .argument('[hosts...]', 'profiles, hosts or groups (default: every profile)')
    .option('--door <door>', 'which door, if the host has several')
    .action(async (hosts: string[], options: { door?: string }) => {
      const { printSshConfig } = await import('../commands/ssh-config-command.ts');
      await printSshConfig(hosts, options.door, deps);
    });
}
