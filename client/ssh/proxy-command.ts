/**
 * The value of ProxyCommand that makes OpenSSH connect through knock-otp: for `-o ProxyCommand=` and ~/.ssh/config.
 * Pure.
 */
import type { StoredProfile } from '../profiles/profile-store.ts';
import type { PublicProfile } from '../profiles/public-profile.ts';
import { isCommandName } from '../terminal/command-names.ts';

/** The first TCP port that the door opens; undefined when it opens 22, the default of ssh, or no TCP port. */
export function nonDefaultPort({ services }: Pick<PublicProfile, 'services'>): number | undefined {
  const ports = services.filter(({ protocol }) => protocol === 'tcp').map(({ port }) => port);
  return ports.includes(22) ? undefined : ports[0];
}

/**
 * The value of ProxyCommand. Names of profiles and doors need no quoting for a shell; the path of the program may.
 */
export function proxyCommand(
  self: readonly string[],
  { name, profile }: Pick<StoredProfile, 'name'> & { readonly profile: Pick<PublicProfile, 'door'> },
  extra: readonly string[],
  platform: NodeJS.Platform,
): string {
  const command = isCommandName(name.toLowerCase()) ? ['knock'] : [];
  const words = [...self, ...command, ...extra, '--door', profile.door, '--proxy', name];
  // ssh expands % before the shell reads the line.
  return `${words.map((word) => quoted(word, platform).replaceAll('%', '%%')).join(' ')} %p`;
}

/** Quotes a word for the user's shell, which runs the line; OpenSSH of Windows uses cmd. */
function quoted(word: string, platform: NodeJS.Platform): string {
  if (/^[A-Za-z0-9_.:/@=+-]+$/.test(word)) return word;
  return platform === 'win32' ? `"${word}"` : `'${word.replaceAll("'", "'\\''")}'`;
}
