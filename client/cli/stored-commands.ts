/** The commands for what the client keeps: profiles, where their secrets are, and groups. */
import type { Command } from 'commander';
import type { LockOptions } from '../commands/lock-commands.ts';
import type { AddOptions } from '../commands/profile-commands.ts';
import type { Deps } from '../deps.ts';
import { sub } from './subcommand.ts';

const PASSPHRASE_TAIL = `
The passphrase is asked for at the terminal, also under ssh. Without a terminal: KNOCK_OTP_PASSPHRASE_FILE names a private
file, KNOCK_OTP_PASSPHRASE_FD a descriptor; its first line is the passphrase.`;

export function profileCommands(program: Command, deps: Deps): void {
  sub(program, deps, 'add', 'add the profile that knock-otpd enroll printed')
    .argument('<uri>', 'the otpauth:// line, or - to read it from standard input')
    .option('--host <address>', 'name or address to knock at')
    .option('--as <name>', 'what to type for it (default: the name of the server)')
    .option('--passphrase', 'lock its secret with a passphrase')
    .option('--keyring', "keep its secret in the system's keyring")
    .option('--source <address>', 'the address that the server sees us under, where the door binds a knock to it')
    .option('--whoami <name@server>', 'or the name server to ask for it, and for which name')
    .action(async (uri: string, options: AddOptions) => {
      const { addProfile } = await import('../commands/profile-commands.ts');
      await addProfile(uri, options, deps);
    });
  sub(program, deps, 'list', 'list the profiles')
    .option('--json', 'as JSON')
    .action(async (options: { json?: boolean }) => {
      const { listProfiles } = await import('../commands/profile-commands.ts');
      await listProfiles(options.json === true, deps);
    });
  sub(program, deps, 'remove', 'remove a profile')
    .argument('<name>')
    .option('--door <door>', 'which of its doors')
    .action(async (name: string, options: { door?: string }) => {
      const { removeProfile } = await import('../commands/profile-commands.ts');
      await removeProfile(name, options.door, deps);
    });
}

/** Where a secret is kept. */
export function lockCommands(program: Command, deps: Deps): void {
  sub(program, deps, 'lock', "keep a profile's secret under a passphrase, or in the system's keyring")
    .argument('<host>')
    .option('--door <door>', 'which of its doors')
    .option('--passphrase', 'under a passphrase (default)')
    .option('--keyring', "in the system's keyring")
    .addHelpText('after', PASSPHRASE_TAIL)
    .action(async (host: string, options: LockOptions) => {
      const { lockProfile } = await import('../commands/lock-commands.ts');
      await lockProfile(host, options, deps);
    });
  sub(program, deps, 'unlock', "keep a profile's secret in its file again, readable by its owner")
    .argument('<host>')
    .option('--door <door>', 'which of its doors')
    .action(async (host: string, options: { door?: string }) => {
      const { unlockProfile } = await import('../commands/lock-commands.ts');
      await unlockProfile(host, options.door, deps);
    });
}

export function groupCommands(program: Command, deps: Deps): void {
  const group = sub(program, deps, 'group', 'names for several hosts, of which any will do');
  group.enablePositionalOptions().helpCommand(false);
  sub(group, deps, 'add', 'make a group, or replace it')
    .argument('<name>')
    .argument('<hosts...>', 'profiles, in the order in which they are tried')
    .action(async (name: string, hosts: string[]) => {
      const { addGroup } = await import('../commands/group-commands.ts');
      await addGroup(name, hosts, deps);
    });
  sub(group, deps, 'list', 'list the groups')
    .option('--json', 'as JSON')
    .action(async (options: { json?: boolean }) => {
      const { listGroups } = await import('../commands/group-commands.ts');
      await listGroups(options.json === true, deps);
    });
  sub(group, deps, 'remove', 'remove a group; its hosts stay')
    .argument('<name>')
    .action(async (name: string) => {
      const { removeGroup } = await import('../commands/group-commands.ts');
      await removeGroup(name, deps);
    });
}
