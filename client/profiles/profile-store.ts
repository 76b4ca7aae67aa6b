/**
 * The user's profiles: their folder, the profile that a typed HOST means, adding and removing. One file for each door,
 * `NAME@DOOR.profile`; a hand-made `NAME.profile` works too. profile-file.ts reads the content, private-files.ts checks
 * modes.
 */
import { readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { KnockError } from '../../shared/errors.ts';
import { codeOf, storeError } from '../../shared/files/system-error.ts';
import { NAME_PATTERN, type Profile } from '../../shared/formats/profile-uri.ts';
import type { Owner } from '../deps.ts';
import { refuseInvalidDoor, refuseInvalidHost } from '../terminal/typed-words.ts';
import { ledgerName } from './ledger-name.ts';
import { checkPrivateFolder, ensurePrivateFolder, readPrivateFile, syncFolder } from './private-files.ts';
import { formatProfileFile, parseProfileFile } from './profile-file.ts';
import type { ProfileAndStorage, SecretStorage } from './secret-storage.ts';

/** `name` is the word that the user types. */
export interface StoredProfile extends ProfileAndStorage {
  readonly path: string;
}

export interface BrokenProfile {
  readonly name: string;
  readonly path: string;
  readonly error: KnockError;
}

export interface ProfileStore {
  readonly folder: string;
  /** Sorted by name and door; broken profiles with their error. @throws KnockError INSECURE_FILE, STORE */
  list(): Promise<readonly (StoredProfile | BrokenProfile)[]>;
  /**
   * The profile for a typed word: the name of a profile, or the host or address in one.
   * @throws KnockError PROFILE_MISSING, USAGE when several doors match or it is no host, and the errors of reading
   */
  find(host: string, door: string | undefined): Promise<StoredProfile>;
  /**
   * @param store stores the secret, by default in the file; called last, when nothing else can prevent writing
   * @throws KnockError USAGE when the name is taken by another secret; STORE
   */
  add(name: string, profile: Profile, store?: () => Promise<SecretStorage>): Promise<'added' | 'replaced'>;
  /** Writes a profile with another storage of its secret. @throws KnockError STORE */
  rewrite(stored: StoredProfile, storage: SecretStorage): Promise<void>;
  /** Deletes the file of one door. Used factors stay: if the same URI is added again, it must not send them again. */
  remove(name: string, door: string | undefined): Promise<StoredProfile | BrokenProfile>;
}

const SUFFIX = '.profile';

/** `%APPDATA%\knock-otp`, `$XDG_CONFIG_HOME/knock-otp` or `~/.config/knock-otp`. @throws KnockError USAGE */
export function configFolder(env: Readonly<Record<string, string | undefined>>, platform: NodeJS.Platform): string {
  const base = platform === 'win32' ? env['APPDATA'] : env['XDG_CONFIG_HOME'];
  // The XDG specification says to ignore relative paths.
  if (base !== undefined && (base.startsWith('/') || platform === 'win32')) return join(base, 'knock-otp');
  const home = env['HOME'] ?? '';
  if (home === '' || platform === 'win32') {
    throw new KnockError('USAGE', 'there is no home folder to keep profiles in', {
      hint: `set ${platform === 'win32' ? 'APPDATA' : 'HOME or XDG_CONFIG_HOME'}`,
    });
  }
  return join(home, '.config', 'knock-otp');
}

export function profileStore(config: string, owner: Owner): ProfileStore {
  const folder = join(config, 'profiles');

  async function names(): Promise<string[]> {
    try {
      const all = await readdir(folder);
      await checkPrivateFolder(folder, owner);
      return all.filter((file) => file.endsWith(SUFFIX) && NAME_PATTERN.test(nameOf(file))).sort();
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return [];
      if (error instanceof KnockError) throw error;
      throw storeError(`cannot read the profiles in ${folder}`, error);
    }
  }

  async function read(file: string): Promise<StoredProfile | BrokenProfile> {
    const path = join(folder, file);
    try {
      return { name: nameOf(file), path, ...(await parseProfileFile(await readPrivateFile(path, owner), path)) };
    } catch (error) {
      if (error instanceof KnockError) return { name: nameOf(file), path, error };
      throw error;
    }
  }

  async function named(name: string): Promise<(StoredProfile | BrokenProfile)[]> {
    const wanted = name.toLowerCase();
    return Promise.all((await names()).filter((file) => nameOf(file).toLowerCase() === wanted).map(read));
  }

  async function write(path: string, content: string): Promise<void> {
    const { default: writeFileAtomic } = await import('write-file-atomic');
    try {
      await writeFileAtomic(path, content, { mode: 0o600, fsync: true });
    } catch (error) {
      throw storeError(`cannot write ${path}`, error);
    }
    await syncFolder(folder, owner);
  }

  async function list() {
    return Promise.all((await names()).map(read));
  }

  return {
    folder,
    list,
    find: async (host, door) => {
      refuseInvalidHost(host);
      refuseInvalidDoor(door);
      const byName = await named(host);
      if (byName.length > 0) return usable(chosen(byName, host, door));
      const all = await list();
      // Loaded only here: users mostly type a profile's name, and loading takes most of the time of a knock.
      const { addressKey } = await import('../../shared/address.ts');
      const byHost = all.filter((entry) => !isBroken(entry) && sameHost(entry.profile.host, host, addressKey));
      if (byHost.length > 0) return usable(chosen(byHost, host, door));
      throw missing(host, all.filter(isBroken).length);
    },
    rewrite: async ({ path, profile }, storage) => await write(path, formatProfileFile({ profile, storage })),
    add: async (name, profile, store = async () => ({ kind: 'plain', secret: profile.secret })) => {
      const before = await named(name);
      const broken = before.find(isBroken);
      if (broken !== undefined) throw broken.error;
      const same = before.find((entry) => !isBroken(entry) && entry.profile.door === profile.door);
      if (same !== undefined && !isBroken(same) && !isSecretOf(same, profile)) {
        throw new KnockError('USAGE', `there is another profile "${same.name}" for the door ${profile.door}`, {
          hint: `remove it with: knock-otp remove ${same.name} --door ${profile.door}; or choose a name with --as`,
        });
      }
      const path = same?.path ?? join(folder, `${name}@${profile.door}${SUFFIX}`);
      const { secret: _, ...publicProfile } = profile;
      const content = formatProfileFile({ profile: publicProfile, storage: await store() });
      await ensurePrivateFolder(config, owner);
      await ensurePrivateFolder(folder, owner);
      await write(path, content);
      return same === undefined ? 'added' : 'replaced';
    },
    remove: async (name, door) => {
      refuseInvalidHost(name);
      refuseInvalidDoor(door);
      const entries = await named(name);
      if (entries.length === 0) throw missing(name, 0);
      const entry = chosen(entries, name, door);
      try {
        await unlink(entry.path);
      } catch (error) {
        throw storeError(`cannot remove ${entry.path}`, error);
      }
      return entry;
    },
  };
}

export function isBroken(entry: StoredProfile | BrokenProfile): entry is BrokenProfile {
  return 'error' in entry;
}

/** A locked profile is compared by the name of its used factors. */
function isSecretOf({ storage }: StoredProfile, profile: Profile): boolean {
  if (storage.kind === 'plain') return storage.secret.toBase32() === profile.secret.toBase32();
  return storage.factors === ledgerName(profile);
}

/** `NAME@DOOR.profile` or `NAME.profile`: a name holds no `@`. */
function nameOf(file: string): string {
  return file.slice(0, -SUFFIX.length).split('@', 1)[0] ?? '';
}

function doorOf(entry: StoredProfile | BrokenProfile): string | undefined {
  if (!isBroken(entry)) return entry.profile.door;
  return /@([^@]+)\.profile$/.exec(entry.path)?.[1];
}

function usable(entry: StoredProfile | BrokenProfile): StoredProfile {
  if (isBroken(entry)) throw entry.error;
  return entry;
}

function chosen<Entry extends StoredProfile | BrokenProfile>(
  entries: readonly Entry[],
  host: string,
  door: string | undefined,
): Entry {
  const fitting = door === undefined ? entries : entries.filter((entry) => doorOf(entry) === door);
  const [only, second] = fitting;
  if (only !== undefined && second === undefined) return only;
  const list = entries.map((entry) => `${doorOf(entry) ?? 'unknown'} (profile ${entry.name})`).join(', ');
  if (only === undefined) {
    throw new KnockError('PROFILE_MISSING', `no profile for the door "${door}" of "${host}"`, {
      hint: `doors: ${list}`,
    });
  }
  throw new KnockError('USAGE', `"${host}" has several doors: ${list}`, {
    hint: 'choose one with --door, or type the name of its profile',
  });
}

/** Compares two addresses as addresses, and host names without case. */
function sameHost(
  known: string | undefined,
  typed: string,
  addressKey: (address: string) => string | undefined,
): boolean {
  if (known === undefined) return false;
  const [a, b] = [bare(known), bare(typed)];
  if (a === b) return true;
  const key = addressKey(a);
  return key !== undefined && key === addressKey(b);
}

function bare(host: string): string {
  return host
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '')
    .toLowerCase();
}

function missing(host: string, broken: number): KnockError {
  const unreadable = broken === 0 ? '' : `; ${broken} cannot be read, see: knock-otp list`;
  return new KnockError('PROFILE_MISSING', `no profile for "${host}"${unreadable}`, {
    hint:
      'on the server run: knock-otpd enroll NAME --door DOOR; then here: knock-otp add - ' +
      `and paste the otpauth:// line that it prints (name it with --as ${NAME_PATTERN.test(host) ? host : 'NAME'})`,
  });
}
