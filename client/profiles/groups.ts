/**
 * Groups of hosts: a name for several bastions, of which any will do. One line for each in the file `groups` of the
 * configuration folder, `NAME = HOST HOST ...`, `#` begins a comment. It holds no secret, and names profiles only, so
 * whoever could write it could send a knock to the wrong one of the user's own hosts and no further.
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

/** More bastions than anybody tries in a row. */
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
    if (groups.has(name.toLowerCase())) throw invalid(`${path}:${at + 1}`, `the group "${name}" stands there twice`);
    groups.set(name.toLowerCase(), hosts);
  }
  return groups;
}

/** What was typed, groups replaced by their hosts, each host once, in their order. @throws as {@link readGroups} */
export async function hostsOf(words: readonly string[], deps: FileDeps): Promise<readonly string[]> {
  const groups = await readGroups(deps);
  const hosts = words.flatMap((word) => groups.get(word.toLowerCase()) ?? [word]);
  return [...new Map(hosts.map((host) => [host.toLowerCase(), host])).values()];
}

/** Sets a group, or removes it when there are no hosts; other lines stay as they are. @throws KnockError STORE */
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
