/**
 * Groups of hosts: a name for several bastions of which any one is enough. The file `groups` of the configuration
 * folder has one line for each, `NAME = HOST HOST ...`; `#` begins a comment. The file holds no secret and names only
 * profiles: a user who can write it can send a knock to the wrong one of the owner's hosts, and to no other host.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KnockError } from '../../shared/errors.ts';
import { codeOf, storeError } from '../../shared/files/system-error.ts';
import { NAME_PATTERN } from '../../shared/formats/profile-uri.ts';
import type { Deps } from '../deps.ts';
import { refuseInvalidHost } from '../terminal/typed-words.ts';
import { checkPrivateFolder, ensurePrivateFolder, syncFolder } from './private-files.ts';
import { configFolder } from './profile-store.ts';

export type Groups = ReadonlyMap<string, readonly string[]>;

/** More hosts than a group needs. */
export const MAX_GROUP_HOSTS = 16;

type FileDeps = Pick<Deps, 'env' | 'owner'>;

export function groupsFile(deps: FileDeps): string {
  return join(configFolder(deps.env, deps.owner.platform), 'groups');
}

/** By name in lower case. @throws KnockError CONFIG_INVALID, INSECURE_FILE, STORE */
export async function readGroups(deps: FileDeps): Promise<Groups> {
  const path = groupsFile(deps);
  const text = await textOf(path, deps);
  const groups = new Map<string, readonly string[]>();
  for (const [at, line] of text.split('\n').entries()) {
    const found = parseLine(line, `${path}:${at + 1}`);
    if (found === undefined) continue;
    const [name, hosts] = found;
    if (groups.has(name.toLowerCase())) throw invalid(`${path}:${at + 1}`, `the group "${name}" is defined twice`);
    groups.set(name.toLowerCase(), hosts);
  }
  return groups;
}

/** The typed words with groups replaced by their hosts, each host once, in order. @throws as {@link readGroups} */
export async function hostsOf(words: readonly string[], deps: FileDeps): Promise<readonly string[]> {
  const groups = await readGroups(deps);
  const hosts = words.flatMap((word) => groups.get(word.toLowerCase()) ?? [word]);
  return [...new Map(hosts.map((host) => [host.toLowerCase(), host])).values()];
}

/** Sets a group, or removes it when `hosts` is empty; other lines stay as they are. @throws KnockError STORE */
export async function writeGroup(name: string, hosts: readonly string[], deps: FileDeps): Promise<void> {
  const path = groupsFile(deps);
  const lines = (await textOf(path, deps)).split('\n');
  if (lines.at(-1) === '') lines.pop();
  const at = lines.findIndex((line) => parseLine(line, path)?.[0].toLowerCase() === name.toLowerCase());
  const line = hosts.length === 0 ? [] : [`${name} = ${hosts.join(' ')}`];
  if (at === -1) lines.push(...line);
  else lines.splice(at, 1, ...line);
  const folder = configFolder(deps.env, deps.owner.platform);
  await ensurePrivateFolder(folder, deps.owner);
  const { default: writeFileAtomic } = await import('write-file-atomic');
  try {
    await writeFileAtomic(path, lines.map((each) => `${each}\n`).join(''), { mode: 0o600, fsync: true });
  } catch (error) {
    throw storeError(`cannot write ${path}`, error);
  }
  await syncFolder(folder, deps.owner);
}

async function textOf(path: string, { env, owner }: FileDeps): Promise<string> {
  try {
    const text = await readFile(path, 'utf8');
    await checkPrivateFolder(configFolder(env, owner.platform), owner);
    return text;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return '';
    if (error instanceof KnockError) throw error;
    throw storeError(`cannot read ${path}`, error);
  }
}

function parseLine(line: string, place: string): readonly [string, readonly string[]] | undefined {
  const text = line.replace(/(^|\s)#.*$/, '').trim();
  if (text === '') return undefined;
  const [, name = '', rest = ''] = /^(\S+)\s*=\s*(.*)$/.exec(text) ?? [];
  if (!NAME_PATTERN.test(name)) throw invalid(place, 'not a line such as: work = b1 b2 b3');
  const hosts = rest.split(/[\s,]+/).filter((host) => host !== '');
  if (hosts.length === 0 || hosts.length > MAX_GROUP_HOSTS) {
    throw invalid(place, `a group has 1 to ${MAX_GROUP_HOSTS} hosts`);
  }
  for (const host of hosts) refuseInvalidHost(host);
  return [name, hosts];
}

function invalid(place: string, message: string): KnockError {
  return new KnockError('CONFIG_INVALID', `${place}: ${message}`, {
    hint: 'one line for each group; knock-otp group add writes it',
  });
}
