/** `knock-otp add`, `list` and `remove`. profile-store.ts reads and writes the files. */
import { KnockError } from '../../shared/errors.ts';
import {
  formatProfileUri,
  formatService,
  NAME_PATTERN,
  type Profile,
  parseProfileUri,
} from '../../shared/formats/profile-uri.ts';
import { invalidSourceError, refuseInvalidSource, type SourceOptions } from '../address/source-options.ts';
import type { Deps } from '../deps.ts';
import { readGroups } from '../profiles/groups.ts';
import {
  type BrokenProfile,
  configFolder,
  isBroken,
  type ProfileStore,
  profileStore,
  type StoredProfile,
} from '../profiles/profile-store.ts';
import { storeSecret } from '../profiles/secret-storage.ts';
import { isCommandName } from '../terminal/command-names.ts';
import { print, say } from '../terminal/output.ts';

/** No profile URI is longer. */
const MAX_URI_CHARACTERS = 16 * 1024;

export interface AddOptions extends SourceOptions {
  readonly host?: string;
  readonly as?: string;
  readonly passphrase?: boolean;
  readonly keyring?: boolean;
}

/** @throws KnockError PROFILE_INVALID, USAGE, INSECURE_FILE, STORE */
export async function addProfile(uri: string, options: AddOptions, deps: Deps): Promise<void> {
  if (uri === '-' && deps.stdin.isTTY === true) say(deps, 'paste the otpauth:// line and press Enter');
  const parsed = parseProfileUri(uri === '-' ? await firstLine(deps.stdin) : uri);
  refuseInvalidSource(options);
  if (options.source !== undefined) {
    const { readAddress } = await import('../address/public-address.ts');
    if (readAddress(options.source) === undefined) throw invalidSourceError();
  }
  const addressed = options.host === undefined ? parsed : withHost(parsed, options.host);
  const { source, whoami } = options;
  const profile = {
    ...addressed,
    ...(source === undefined ? {} : { sources: [source] }),
    ...(whoami === undefined ? {} : { whoami }),
  };
  const name = options.as ?? profile.server;
  if (!NAME_PATTERN.test(name)) {
    throw new KnockError('USAGE', '--as is not a name', {
      hint: 'letters, digits, dots, dashes and underscores, 64 at most, beginning with a letter or a digit',
    });
  }
  if ((await readGroups(deps)).has(name.toLowerCase())) {
    throw new KnockError('USAGE', `"${name}" is the name of a group`, { hint: 'choose another one with --as' });
  }
  const kind = storageOption(options) ?? 'plain';
  const { secret, ...publicProfile } = profile;
  const outcome = await storeOf(deps).add(name, profile, () => storeSecret(kind, name, publicProfile, secret, deps));
  print(deps, `${outcome} ${name}: door ${profile.door}, host ${profile.host ?? name}`);
  if (uri !== '-')
    say(deps, 'the secret was on the command line, where others may see it; "add -" reads it from standard input');
  if (profile.host === undefined) say(deps, `no host was given: the name "${name}" will be resolved`);
  const words = isCommandName(name) ? `knock ${name}` : name;
  say(deps, `now: knock-otp ${words}`);
}

/** The storage that the options select. @throws KnockError USAGE */
export function storageOption(options: {
  readonly passphrase?: boolean;
  readonly keyring?: boolean;
}): 'passphrase' | 'keyring' | undefined {
  if (options.passphrase === true && options.keyring === true) {
    throw new KnockError('USAGE', '--passphrase and --keyring exclude each other');
  }
  if (options.keyring === true) return 'keyring';
  return options.passphrase === true ? 'passphrase' : undefined;
}

/** Never prints a secret. @throws KnockError INSECURE_FILE, STORE */
export async function listProfiles(json: boolean, deps: Deps): Promise<void> {
  const store = storeOf(deps);
  const entries = await store.list();
  if (json) {
    print(deps, JSON.stringify(entries.map(asJson), undefined, 2));
    return;
  }
  if (entries.length === 0) say(deps, `no profiles in ${store.folder}`);
  const rows = entries.filter((entry): entry is StoredProfile => !isBroken(entry)).map(asRow);
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  for (const row of rows) {
    print(
      deps,
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    );
  }
  for (const { error } of entries.filter(isBroken)) say(deps, `warning: ${error.message}`);
}

/** @throws KnockError PROFILE_MISSING, USAGE, STORE */
export async function removeProfile(name: string, door: string | undefined, deps: Deps): Promise<void> {
  const entry = await storeOf(deps).remove(name, door);
  if (!isBroken(entry) && entry.storage.kind === 'keyring') {
    const { removeFromKeyring } = await import('../profiles/keyring.ts');
    await removeFromKeyring(entry.storage.factors);
  }
  print(deps, `removed ${entry.name}${isBroken(entry) ? '' : `: door ${entry.profile.door}`}`);
  say(deps, 'the server accepts its secret until knock-otpd revoke');
}

function storeOf(deps: Deps): ProfileStore {
  return profileStore(configFolder(deps.env, deps.owner.platform), deps.owner);
}

/** Through the URI, so that one parser checks the host. */
function withHost(profile: Profile, host: string): Profile {
  try {
    return parseProfileUri(formatProfileUri({ ...profile, host }));
  } catch (error) {
    if (!(error instanceof KnockError)) throw error;
    throw new KnockError('USAGE', '--host is not a host name or an address');
  }
}

/** Reads one line, not the whole input, because a user at a terminal only presses Enter. */
async function firstLine(input: AsyncIterable<Uint8Array | string>): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of input) {
    text += typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true });
    if (/\S[^\n]*\n/.test(text) || text.length > MAX_URI_CHARACTERS) break;
  }
  const line = text.trimStart().split('\n', 1)[0] ?? '';
  if (line === '' || line.length > MAX_URI_CHARACTERS) {
    throw new KnockError('PROFILE_INVALID', 'there is no profile URI on standard input', {
      hint: 'pipe the otpauth:// line that knock-otpd enroll printed into: knock-otp add -',
    });
  }
  return line;
}

function asRow(entry: StoredProfile): readonly string[] {
  const { name, profile, storage } = entry;
  const opens = profile.services.map(formatService).join(',');
  const lock = storage.kind === 'plain' ? '' : storage.kind;
  return [name, profile.door, profile.host ?? name, profile.mode, opens, lock];
}

function asJson(entry: StoredProfile | BrokenProfile): unknown {
  if (isBroken(entry)) return { name: entry.name, path: entry.path, error: entry.error.message };
  const { name, path, profile, storage } = entry;
  return {
    name,
    door: profile.door,
    server: profile.server,
    client: profile.client,
    host: profile.host ?? name,
    mode: profile.mode,
    services: profile.services.map(formatService),
    secret: storage.kind,
    path,
  };
}
