/**
 * `knock-otp ssh HOST`: the system's ssh, with us as its ProxyCommand. The connection that proves that the door is open
 * is the one that ssh speaks through, so no grant can end in between, a door that lets one connection in is enough, and
 * a session that is multiplexed over an older one costs no knock at all.
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
  const stored = await oneOf(read, options, deps);
  return await deps.runProgram(sshArguments(read, stored, options, deps), {});
}

/** The whole command line; every word of the user's is there, in its order. */
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
  // What was typed stays the destination, so that the user's own "Host" lines apply; ssh expands % in a HostName.
  const hostName = host === bare(read.host) ? [] : ['-o', `HostName=${host.replaceAll('%', '%%')}`];
  const port = read.hasPort ? undefined : nonDefaultPort(profile);
  return [
    'ssh',
    '-o',
    `ProxyCommand=${proxyCommand(self, stored, extra, owner.platform)}`,
    ...hostName,
    ...read.before,
    read.destination,
    ...read.behind,
    ...(port === undefined ? [] : ['-o', `Port=${port}`]),
    ...read.command,
  ];
}

/** Of a group, the host that opens first; ssh then finds it open. */
async function oneOf({ host, family }: SshWords, options: SshOptions, deps: Deps): Promise<StoredProfile> {
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
