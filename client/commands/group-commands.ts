/** `knock-otp group add`, `list` and `remove`. groups.ts reads and writes the file. */
import { KnockError } from '../../shared/errors.ts';
import { NAME_PATTERN } from '../../shared/formats/profile-uri.ts';
import type { Deps } from '../deps.ts';
import { groupsFile, MAX_GROUP_HOSTS, readGroups, writeGroup } from '../profiles/groups.ts';
import { configFolder, profileStore } from '../profiles/profile-store.ts';
import { isCommandName } from '../terminal/command-names.ts';
import { print, say } from '../terminal/output.ts';
import { isPortWord } from '../terminal/typed-words.ts';

/** @throws KnockError USAGE, PROFILE_MISSING for a host without a profile, STORE */
export async function addGroup(name: string, hosts: readonly string[], deps: Deps): Promise<void> {
  if (!NAME_PATTERN.test(name) || isPortWord(name) || isCommandName(name)) {
    throw new KnockError('USAGE', 'that is not a valid group name', {
      hint: 'letters, digits, dots, dashes and underscores; not a port, not a command of knock-otp',
    });
  }
  if (hosts.length > MAX_GROUP_HOSTS) {
    throw new KnockError('USAGE', `a group has 1 to ${MAX_GROUP_HOSTS} hosts`);
  }
  const groups = await readGroups(deps);
  const store = profileStore(configFolder(deps.env, deps.owner.platform), deps.owner);
  const profiles = await store.list();
  if (profiles.some((each) => each.name.toLowerCase() === name.toLowerCase())) {
    throw new KnockError('USAGE', `"${name}" is the name of a profile`, { hint: 'choose another name for the group' });
  }
  for (const host of hosts) {
    if (groups.has(host.toLowerCase())) {
      throw new KnockError('USAGE', `"${host}" is a group, and groups hold hosts only`);
    }
    // The door of a host is chosen at each knock.
    if (!profiles.some((each) => each.name.toLowerCase() === host.toLowerCase())) await store.find(host, undefined);
  }
  await writeGroup(name, hosts, deps);
  print(deps, `${groups.has(name.toLowerCase()) ? 'replaced' : 'added'} ${name}: ${hosts.join(' ')}`);
}

/** @throws KnockError CONFIG_INVALID, STORE */
export async function listGroups(json: boolean, deps: Deps): Promise<void> {
  const groups = [...(await readGroups(deps))].map(([name, hosts]) => ({ name, hosts }));
  if (json) return print(deps, JSON.stringify(groups, undefined, 2));
  if (groups.length === 0) say(deps, `no groups in ${groupsFile(deps)}`);
  for (const { name, hosts } of groups) print(deps, `${name}: ${hosts.join(' ')}`);
}

/** @throws KnockError PROFILE_MISSING, STORE */
export async function removeGroup(name: string, deps: Deps): Promise<void> {
  if (!(await readGroups(deps)).has(name.toLowerCase())) {
    throw new KnockError('PROFILE_MISSING', 'there is no group with that name', { hint: 'see: knock-otp group list' });
  }
  await writeGroup(name, [], deps);
  print(deps, `removed ${name}`);
}
