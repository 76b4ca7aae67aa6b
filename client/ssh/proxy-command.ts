/** The words with which OpenSSH has us carry its connection: in `-o ProxyCommand=`, and in ~/.ssh/config. Pure. */

import type { StoredProfile } from '../profiles/profile-store.ts';
import type { PublicProfile } from '../profiles/public-profile.ts';
import { isCommandName } from '../terminal/command-names.ts';

/** A port that the door opens and ssh would not try by itself; undefined where it opens 22, or no TCP port at all. */
export function nonDefaultPort({ services }: Pick<PublicProfile, 'services'>): number | undefined {
  const ports = services.filter(({ protocol }) => protocol === 'tcp').map(({ port }) => port);
  return ports.includes(22) ? undefined : ports[0];
}

/**
 * The value of ProxyCommand. The profile's name and door are names of ours, which no shell can misread; the program's
 * path may hold anything.
 */
export function proxyCommand(
  self: readonly string[],
  { name, profile }: Pick<StoredProfile, 'name'> & { readonly profile: Pick<PublicProfile, 'door'> },
  extra: readonly string[],
  platform: NodeJS.Platform,
): string {
  const command = isCommandName(name.toLowerCase()) ? ['knock'] : [];
  const words = [...self, ...command, ...extra, '--door', profile.door, '--proxy', name];
  // ssh replaces %h and its kind before the shell reads the line.
  return `${words.map((word) => quoted(word, platform).replaceAll('%', '%%')).join(' ')} %p`;
}

/** For the user's shell, which runs the line; the programs of a Windows OpenSSH are started by cmd. */
function quoted(word: string, platform: NodeJS.Platform): string {
  if (/^[A-Za-z0-9_.:/@=+-]+$/.test(word)) return word;
  return platform === 'win32' ? `"${word}"` : `'${word.replaceAll("'", "'\\''")}'`;
}
