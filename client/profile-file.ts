/**
 * The content of a profile file: the profile URI on one line, or the same things as INI for those who write it by hand.
 * INI is turned into a URI and read by shared/profile-uri.ts, so that there is one judge of what a profile may hold.
 */
import { KnockError } from '../shared/errors.ts';
import { type Profile, parseProfileUri } from '../shared/profile-uri.ts';

/** Keys of the INI form beside the URI's own parameters, which have their names there. */
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
  'once',
  'host',
];

/** What the INI form may leave out. */
const DEFAULTS: Readonly<Record<string, string>> = { mode: 'totp', v: '1', protocols: 'tcp', order: 'any' };

/**
 * @param path for messages
 * @throws KnockError PROFILE_INVALID that names path and key, never a value
 */
export async function parseProfileFile(text: string, path: string): Promise<Profile> {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '' && !/^\s*[#;]/.test(line));
  const [first = ''] = lines;
  const isUri = /^\s*otpauth:/i.test(first);
  if (isUri && lines.length > 1) throw invalid(path, 'more than one line beside the profile URI');
  try {
    return parseProfileUri(isUri ? first : await uriOfIni(text, lines.length, path));
  } catch (error) {
    if (!(error instanceof KnockError) || error.message.startsWith(path)) throw error;
    const options = error.hint === undefined ? {} : { hint: error.hint };
    throw new KnockError('PROFILE_INVALID', `${path}: ${error.message}`, options);
  }
}

async function uriOfIni(text: string, lineCount: number, path: string): Promise<string> {
  const { parse } = await import('ini');
  const entries = Object.entries<unknown>(parse(text));
  for (const [key, value] of entries) {
    if (!URI_PATH_KEYS.includes(key) && !PARAMETER_KEYS.includes(key)) {
      // Not quoted: whoever pastes a secret into the wrong place must not find it in a message.
      throw invalid(path, 'a key that is none of a profile, or a section');
    }
    if (typeof value !== 'string') throw invalid(path, `key "${key}" has no value`);
  }
  // ini lets the last of two equal keys win and drops lines that it does not understand.
  if (entries.length !== lineCount) throw invalid(path, 'a key stands there twice, or a line is not "key = value"');
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
