/** The grammar of the commands for stored data: profiles, the storage of their secrets, and groups. */
import type { Command } from 'commander';
import type { LockOptions } from '../commands/lock-commands.ts';
import type { AddOptions } from '../commands/profile-commands.ts';
import type { Deps } from '../deps.ts';
import { sub } from './subcommand.ts';

const PASSPHRASE_TAIL = `
knock-otp asks for the passphrase at the terminal, also when ssh runs it. Without a terminal, set KNOCK_OTP_PASSPHRASE_FILE
to the path of a private file, or KNOCK_OTP_PASSPHRASE_FD to a descriptor. The first line is the passphrase.`;

export function profileCommands(program: Command, deps: Deps): void {
  sub(program, deps, 'add', 'add the profile that knock-otpd enroll printed')
    .argument('<uri>', 'the otpauth:// line, or - to read it from standard input')
    .option('--host <address>', 'name or address to knock at')
    .option('--as <name>', 'the name to type for it (default: the name of the server)')
    .option('--passphrase', 'protect its secret with a passphrase')
    .option('--keyring', "keep its secret in the system's keyring")
    .option('--source <address>', 'your address as the server sees it, if the door binds a knock to its source')
    .option('--whoami <name@server>', 'or ask the name server SERVER for that address, with a query for NAME')
    .action(async (uri: string, options: AddOptions) => {
      const { addProfile } = await import('../commands/profile-commands.ts');
      await addProfile(uri, options, deps);
    });
  sub(program, deps, 'list', 'list the profiles')
    .option('--json', 'print JSON')
    .action(async (options: { json?: boolean }) => {
      const { listProfiles } = await import('../commands/profile-commands.ts');
      await listProfiles(options.json === true, deps);
    });
  sub(program, deps, 'remove', 'remove a profile')
    .argument('<name>')
    .option('--door <door>', 'which door, if the host has several')
    .action(async (name: string, options: { door?: string }) => {
      const { removeProfile } = await import('../commands/profile-commands.ts');
      await removeProfile(name, options.door, deps);
    });
}

export function lockCommands(program: Command, deps: Deps): void {
  sub(program, deps, 'lock', "protect the secret of a profile with a passphrase, or by the system's keyring")
    .argument('<host>')
    .option('--door <door>', 'which door, if the host has several')
    .option('--passphrase', 'with a passphrase (default)')
    .option('--keyring', "by the system's keyring")
    .addHelpText('after', PASSPHRASE_TAIL)
    .action(async (host: string, options: LockOptions) => {
      const { lockProfile } = await import('../commands/lock-commands.ts');
      await lockProfile(host, options, deps);
    });
  sub(program, deps, 'unlock', 'put the secret of a profile back into its file, readable by its owner')
    .argument('<host>')
    .option('--door <door>', 'which door, if the host has several')
    .action(async (host: string, options: { door?: string }) => {
      const { unlockProfile } = await import('../commands/lock-commands.ts');
      await unlockProfile(host, options.door, deps);
    });
}

export function groupCommands(program: Command, deps: Deps): void {
  const group = sub(program, deps, 'group', 'name several hosts; the first that opens is enough');
  group.enablePositionalOptions().helpCommand(false);
  sub(group, deps, 'add', 'create or replace a group')
    .argument('<name>')
    .argument('<hosts...>', 'profiles, in the order in which knock-otp tries them')
    .action(async (name: string, hosts: string[]) => {
      const { addGroup } = await import('../commands/group-commands.ts');
      await addGroup(name, hosts, deps);
    });
  sub(group, deps, 'list', 'list the groups')
    .option('--json', 'print JSON')
    .action(async (options: { json?: boolean }) => {
      const { listGroups } = await import('../commands/group-commands.ts');
      await listGroups(options.json === true, deps);
    });
  sub(group, deps, 'remove', 'remove a group; its profiles stay')
    .argument('<name>')
    .action(async (name: string) => {
      const { removeGroup } = await import('../commands/group-commands.ts');
      await removeGroup(name, deps);
    });
}
