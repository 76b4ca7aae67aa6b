/**
 * Gets a passphrase from a private file, a descriptor, or the terminal. Never from an argument or the value of a
 * variable, which other processes of the machine can read.
 */
import { readFile } from 'node:fs';
import { promisify } from 'node:util';
import { KnockError } from '../../shared/errors.ts';
import { codeOf, storeError } from '../../shared/files/system-error.ts';
import type { Secret } from '../../shared/secret.ts';
import type { Deps } from '../deps.ts';
import { say } from '../terminal/output.ts';
import { readPrivateFile } from './private-files.ts';
import type { PublicProfile } from './public-profile.ts';
import { unseal } from './sealed-secret.ts';

/** A shorter passphrase can be guessed within days, however slow each guess is. */
const LEAST_CHARACTERS = 8;

const TRIES = 3;

/**
 * `known`: typed passphrases, so that profiles with the same passphrase ask once. `last`: one prompt waits for another.
 */
const sessions = new WeakMap<Deps, { readonly known: Set<string>; last: Promise<unknown> }>();

/** A passphrase for a new lock; a terminal asks for it twice. @throws KnockError USAGE, INSECURE_FILE, STORE */
export async function newPassphrase(name: string, deps: Deps): Promise<string> {
  const fromFile = await passphraseFromFile(deps);
  const first = fromFile ?? (await typed(`new passphrase for ${name}: `, deps));
  if ([...first].length < LEAST_CHARACTERS) {
    throw new KnockError('USAGE', `a passphrase has ${LEAST_CHARACTERS} characters or more`, {
      hint: 'four or five unrelated words are good',
    });
  }
  if (fromFile === undefined && (await typed('the same again: ', deps)) !== first) {
    throw new KnockError('USAGE', 'the two passphrases differ: nothing was changed');
  }
  return first;
}

/** @throws KnockError SECRET_INVALID when the passphrase is wrong; USAGE, INSECURE_FILE, STORE */
export async function unlockWithPassphrase(
  name: string,
  sealed: string,
  profile: PublicProfile,
  deps: Deps,
): Promise<Secret> {
  const fromFile = await passphraseFromFile(deps);
  if (fromFile !== undefined) {
    const secret = await unseal(sealed, fromFile, profile);
    if (secret === undefined) throw wrong(name);
    return secret;
  }
  const session = sessions.get(deps) ?? { known: new Set<string>(), last: Promise.resolve() };
  sessions.set(deps, session);
  const secret = session.last.then(() => askUntilRight(name, sealed, profile, session.known, deps));
  session.last = secret.catch(() => undefined);
  return await secret;
}

async function askUntilRight(
  name: string,
  sealed: string,
  profile: PublicProfile,
  known: Set<string>,
  deps: Deps,
): Promise<Secret> {
  for (const passphrase of known) {
    const secret = await unseal(sealed, passphrase, profile);
    if (secret !== undefined) return secret;
  }
  for (let left = TRIES; left > 0; left -= 1) {
    const passphrase = await typed(`passphrase for ${name}: `, deps);
    const secret = await unseal(sealed, passphrase, profile);
    if (secret !== undefined) {
      known.add(passphrase);
      return secret;
    }
    if (left > 1) say(deps, 'wrong passphrase, try again');
  }
  throw wrong(name);
}

async function typed(prompt: string, deps: Deps): Promise<string> {
  const text = await deps.askPassphrase(`knock-otp: ${prompt}`);
  if (text !== undefined) return text;
  throw new KnockError('USAGE', 'a passphrase is needed, and there is no terminal to ask for it', {
    hint: 'put it into a private file and its path into KNOCK_OTP_PASSPHRASE_FILE, or a descriptor into KNOCK_OTP_PASSPHRASE_FD',
  });
}

/** The first line of the file or descriptor; undefined when neither is set. */
async function passphraseFromFile({ env, owner }: Deps): Promise<string | undefined> {
  const path = env['KNOCK_OTP_PASSPHRASE_FILE'] ?? '';
  const fd = env['KNOCK_OTP_PASSPHRASE_FD'] ?? '';
  if (path !== '') return firstLine(await readPrivateFile(path, owner));
  if (fd === '') return undefined;
  if (!/^[0-9]{1,6}$/.test(fd)) throw new KnockError('USAGE', 'KNOCK_OTP_PASSPHRASE_FD is not a descriptor');
  try {
    // Read to its end: the process that gives a descriptor closes its side.
    const text = await promisify(readFile)(Number(fd), 'utf8');
    return firstLine(text);
  } catch (error) {
    throw storeError(`cannot read the passphrase from descriptor ${fd} (${codeOf(error)})`, error);
  }
}

function firstLine(text: string): string {
  return text.split(/\r?\n/, 1)[0] ?? '';
}

function wrong(name: string): KnockError {
  return new KnockError('SECRET_INVALID', `wrong passphrase for "${name}"`, {
    hint: 'or the profile file was changed; for a forgotten passphrase, get a new profile (knock-otpd enroll --replace)',
  });
}
