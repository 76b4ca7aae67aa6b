/**
 * `knock-otp ssh HOST`: runs the system's ssh with knock-otp as its ProxyCommand. ssh uses the connection that proves
 * that the door is open. So no grant can end in between, one connection is enough, and a session that is multiplexed
 * over an older one needs no knock.
 */
import type { Deps } from '../deps.ts';
import { findProfile } from '../factors/found-profile.ts';
import { hostsOf } from '../profiles/groups.ts';
import type { StoredProfile } from '../profiles/profile-store.ts';
import { nonDefaultPort, proxyCommand } from '../ssh/proxy-command.ts';
import { readSshWords, type SshWords } from '../ssh/ssh-arguments.ts';

export interface SshOptions {
  readonly door?: string;
  /** Seconds. */
  readonly timeout?: number;
  readonly again?: boolean;
  readonly verbose?: boolean;
}

/** @returns ssh's exit status @throws KnockError before ssh is started */
export async function sshTo(words: readonly string[], options: SshOptions, deps: Deps): Promise<number> {
  const read = readSshWords(words);
  const stored = await profileFor(read, options, deps);
  return await deps.runProgram(sshArguments(read, stored, options, deps), {});
}

/** The whole command line of ssh; it contains every word of the user, in order. */
export function sshArguments(
  read: SshWords,
  stored: StoredProfile,
  options: SshOptions,
  { self, owner }: Pick<Deps, 'self' | 'owner'>,
): readonly string[] {
  const { profile, name } = stored;
  const extra = [
    ...(read.family === undefined ? [] : [`-${read.family}`]),
    ...(options.timeout === undefined ? [] : ['--timeout', `${options.timeout}`]),
    ...(options.again === true ? ['--again'] : []),
    ...(options.verbose === true ? ['--verbose'] : []),
  ];
  const host = bare(profile.host ?? name);
  // The typed word stays the destination, so that the user's "Host" lines apply; ssh expands % in a HostName.
  const hostName = host === bare(read.host) ? [] : ['-o', `HostName=${host.replaceAll('%', '%%')}`];
  const port = read.hasPort ? undefined : nonDefaultPort(profile);
  return [
    'ssh',
    '-o',
    `ProxyCommand=${proxyCommand(self, stored, extra, owner.platform)}`,
    ...hostName,
    ...read.before,
    read.destination,
    ...read.after,
    ...(port === undefined ? [] : ['-o', `Port=${port}`]),
    ...read.command,
  ];
}

/** For a group, the host that opens first; ssh then finds its door open. */
async function profileFor({ host, family }: SshWords, options: SshOptions, deps: Deps): Promise<StoredProfile> {
  const hosts = await hostsOf([host], deps);
  const [only = host, second] = hosts;
  if (second === undefined) return (await findProfile(only, options.door, deps)).stored;
  const { knockAtFirst } = await import('./several-hosts-command.ts');
  const { closeAll } = await import('../knock/several-hosts.ts');
  const way = { kind: 'profile', others: [], families: family ?? 'any', proxyPort: undefined } as const;
  const winner = await knockAtFirst(hosts, way, options, deps);
  closeAll(winner);
  return winner.stored;
}

function bare(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1');
}
