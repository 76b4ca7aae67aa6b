/**
 * `knock-otp ssh-config`: prints lines for ~/.ssh/config that make ssh, scp, rsync, git and Ansible knock by
 * themselves.
 */
import { KnockError } from '../../shared/errors.ts';
import type { Deps } from '../deps.ts';
import { findProfile } from '../factors/found-profile.ts';
import { tcpPortOf } from '../knock/verify-port.ts';
import { hostsOf } from '../profiles/groups.ts';
import { configFolder, isBroken, profileStore, type StoredProfile } from '../profiles/profile-store.ts';
import { nonDefaultPort, proxyCommand } from '../ssh/proxy-command.ts';
import { PROGRAM, print, say } from '../terminal/output.ts';

/** @param words profiles, hosts or groups; none for every profile @throws KnockError PROFILE_MISSING, STORE */
export async function printSshConfig(words: readonly string[], door: string | undefined, deps: Deps): Promise<void> {
  const store = profileStore(configFolder(deps.env, deps.owner.platform), deps.owner);
  const entries = await store.list();
  const all = entries.filter((entry): entry is StoredProfile => !isBroken(entry));
  for (const { error } of entries.filter(isBroken)) say(deps, `warning: ${error.message}`);
  const wanted =
    words.length === 0
      ? all
      : await Promise.all(
          (await hostsOf(words, deps)).map(async (host) => (await findProfile(host, door, deps)).stored),
        );
  const useful = wanted.filter(({ profile }) => tcpPortOf(profile) !== undefined);
  if (useful.length === 0) {
    throw new KnockError('PROFILE_MISSING', 'there is no profile with a TCP port that ssh could connect to', {
      hint: `see: ${PROGRAM} list`,
    });
  }
  const blocks = useful.map((stored) => configLines(stored, all, deps));
  print(deps, blocks.join('\n\n'));
  say(deps, `to put it in place: ${PROGRAM} ssh-config >> ~/.ssh/config`);
}

function configLines(stored: StoredProfile, all: readonly StoredProfile[], { owner }: Deps): string {
  const { name, profile } = stored;
  const port = nonDefaultPort(profile);
  // One name may have several doors: the door with port 22 gets the plain name.
  const isShared = all.some((each) => each.path !== stored.path && each.name === name);
  const alias = isShared && port !== undefined ? `${name}-${profile.door}` : name;
  return [
    `Host ${alias}`,
    `  HostName ${(profile.host ?? name).replace(/^\[(.*)\]$/, '$1').replaceAll('%', '%%')}`,
    ...(port === undefined ? [] : [`  Port ${port}`]),
    `  ProxyCommand ${proxyCommand([PROGRAM], stored, [], owner.platform)}`,
  ].join('\n');
}
