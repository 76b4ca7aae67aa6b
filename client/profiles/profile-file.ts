/**
 * The content of a profile file: the profile URI on one line, or the same fields as INI for a file written by hand. INI
 * is turned into a URI and parsed by shared/formats/profile-uri.ts, so one parser decides what is valid.
 *
 * When the secret is in the keyring or under a passphrase, the URI has no secret, and more lines follow:
 *
 *     factors = 32 hexadecimal digits, the name of the used factors
 *     sealed = scrypt:...               under a passphrase (sealed-secret.ts); without this line, in the keyring
 */
import { KnockError } from '../../shared/errors.ts';
import { formatProfileUri, parseProfileUri } from '../../shared/formats/profile-uri.ts';
import { Secret } from '../../shared/secret.ts';
import type { PublicProfile } from './public-profile.ts';
import type { SecretStorage } from './secret-storage.ts';

/** Keys of the INI form for the path of the URI; its parameters have the same names as in the URI. */
const URI_PATH_KEYS = ['mode', 'server'];
const PARAMETER_KEYS = [
  'secret',
  'v',
  'door',
  'client',
  'knocks',
  'ports',
  'exclude',
  'protocols',
  'order',
  'timeout',
  'period',
  'window',
  'counter',
  'open',
  'bind',
  'source',
  'whoami',
  'once',
  'host',
];

/** Values of keys that the INI form may omit. */
const DEFAULTS: Readonly<Record<string, string>> = { mode: 'totp', v: '1', protocols: 'tcp', order: 'any' };

export interface FileContent {
  readonly profile: PublicProfile;
  readonly storage: SecretStorage;
}

/** A placeholder for the grammar of the URI when the secret is elsewhere. */
const NO_SECRET = Secret.fromBytes(new Uint8Array(20));

/** The content of a file, with its last newline. */
export function formatProfileFile({ profile, storage }: FileContent): string {
  if (storage.kind === 'plain') return `${formatProfileUri({ ...profile, secret: storage.secret })}\n`;
  const uri = formatProfileUri({ ...profile, secret: NO_SECRET }).replace(/([?&])secret=[A-Z2-7]*&/, '$1');
  const sealed = storage.kind === 'passphrase' ? `sealed = ${storage.sealed}\n` : '';
  return `${uri}\nfactors = ${storage.factors}\n${sealed}`;
}

/**
 * @param path for messages
 * @throws KnockError PROFILE_INVALID that names path and key, never a value
 */
export async function parseProfileFile(text: string, path: string): Promise<FileContent> {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '' && !/^\s*[#;]/.test(line));
  const [first = ''] = lines;
  const isUri = /^\s*otpauth:/i.test(first);
  const isLocked = isUri && lines.length > 1;
  const storage = isLocked ? storageOf(first, lines.slice(1), path) : undefined;
  try {
    const uri = isUri ? first.trim() : await uriOfIni(text, lines.length, path);
    const { secret, ...profile } = parseProfileUri(isLocked ? `${uri}&secret=${NO_SECRET.toBase32()}` : uri);
    return { profile, storage: storage ?? { kind: 'plain', secret } };
  } catch (error) {
    if (!(error instanceof KnockError) || error.message.startsWith(path)) throw error;
    const options = error.hint === undefined ? {} : { hint: error.hint };
    throw new KnockError('PROFILE_INVALID', `${path}: ${error.message}`, options);
  }
}

function storageOf(uri: string, lines: readonly string[], path: string): SecretStorage {
  if (/[?&]secret=/i.test(uri)) throw invalid(path, 'more lines after the profile URI');
  const entries = lines.map((line) => /^(factors|sealed) = (\S+)$/.exec(line.trim()) ?? []);
  const values = new Map(entries.map(([, key = '', value = '']) => [key, value]));
  const factors = values.get('factors') ?? '';
  const sealed = values.get('sealed');
  if (values.size !== lines.length || !/^[0-9a-f]{32}$/.test(factors)) {
    throw invalid(path, 'the lines after the profile URI are not "factors = ..." and "sealed = ..."');
  }
  return sealed === undefined ? { kind: 'keyring', factors } : { kind: 'passphrase', sealed, factors };
}

async function uriOfIni(text: string, lineCount: number, path: string): Promise<string> {
  const { parse } = await import('ini');
  const entries = Object.entries<unknown>(parse(text));
  for (const [key, value] of entries) {
    if (!URI_PATH_KEYS.includes(key) && !PARAMETER_KEYS.includes(key)) {
      // Not quoted, because the key may be a secret that was pasted into the wrong place.
      throw invalid(path, 'an unknown key, or a section');
    }
    if (typeof value !== 'string') throw invalid(path, `key "${key}" has no value`);
  }
  // ini uses the last of two equal keys and drops lines that it does not understand.
  if (entries.length !== lineCount) throw invalid(path, 'a duplicate key, or a line that is not "key = value"');
  const values = new Map(Object.entries(DEFAULTS));
  for (const [key, value] of entries) values.set(key, String(value));
  const query = new URLSearchParams({ issuer: values.get('server') ?? '' });
  for (const key of PARAMETER_KEYS) {
    const value = values.get(key);
    if (value !== undefined) query.set(key, value);
  }
  const label = `${values.get('server') ?? ''}:${values.get('client') ?? ''}`;
  return `otpauth://${values.get('mode') ?? ''}/${encodeURIComponent(label)}?${query}`;
}

function invalid(path: string, message: string): KnockError {
  return new KnockError('PROFILE_INVALID', `${path}: ${message}`, {
    hint: 'a profile file holds the line that knock-otpd enroll printed; knock-otp add writes it',
  });
}
