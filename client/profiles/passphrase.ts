/**
 * Where a passphrase comes from: a private file, a descriptor, or the terminal. Never an argument or the value of a
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

/** Shorter ones are guessed in days whatever a guess costs. */
const LEAST_CHARACTERS = 8;

const TRIES = 3;

/** Typed ones, so that several profiles under one passphrase ask once; and one question at a time. */
const sessions = new WeakMap<Deps, { readonly known: Set<string>; last: Promise<unknown> }>();

/** For a new lock; at a terminal asked for twice. @throws KnockError USAGE, INSECURE_FILE, STORE */
export async function newPassphrase(name: string, deps: Deps): Promise<string> {
  const given = await fromFile(deps);
  const first = given ?? (await typed(`new passphrase for ${name}: `, deps));
  if ([...first].length < LEAST_CHARACTERS) {
    throw new KnockError('USAGE', `a passphrase has ${LEAST_CHARACTERS} characters or more`, {
      hint: 'four or five words that have nothing to do with each other are good',
    });
  }
  if (given === undefined && (await typed('the same again: ', deps)) !== first) {
    throw new KnockError('USAGE', 'the two passphrases differ: nothing was changed');
  }
  return first;
}

/** @throws KnockError SECRET_INVALID when the passphrase is wrong; USAGE, INSECURE_FILE, STORE */
export async function unlockWithPassphrase(
  name: string,
  sealed: string,
  outline: PublicProfile,
  deps: Deps,
): Promise<Secret> {
  const given = await fromFile(deps);
  if (given !== undefined) {
    const secret = await unseal(sealed, given, outline);
    if (secret === undefined) throw wrong(name);
    return secret;
  }
  const session = sessions.get(deps) ?? { known: new Set<string>(), last: Promise.resolve() };
  sessions.set(deps, session);
  const mine = session.last.then(() => askUntilRight(name, sealed, outline, session.known, deps));
  session.last = mine.catch(() => undefined);
  return await mine;
}

async function askUntilRight(
  name: string,
  sealed: string,
  outline: PublicProfile,
  known: Set<string>,
  deps: Deps,
): Promise<Secret> {
  for (const passphrase of known) {
    const secret = await unseal(sealed, passphrase, outline);
    if (secret !== undefined) return secret;
  }
  for (let left = TRIES; left > 0; left -= 1) {
    const passphrase = await typed(`passphrase for ${name}: `, deps);
    const secret = await unseal(sealed, passphrase, outline);
    if (secret !== undefined) {
      known.add(passphrase);
      return secret;
    }
    if (left > 1) say(deps, 'wrong passphrase, once more');
  }
  throw wrong(name);
}

async function typed(prompt: string, deps: Deps): Promise<string> {
  const text = await deps.askPassphrase(`knock-otp: ${prompt}`);
  if (text !== undefined) return text;
  throw new KnockError('USAGE', 'a passphrase is needed, and there is no terminal to ask at', {
    hint: 'put it into a private file and its path into KNOCK_OTP_PASSPHRASE_FILE, or a descriptor into KNOCK_OTP_PASSPHRASE_FD',
  });
}

/** The first line. */
async function fromFile({ env, owner }: Deps): Promise<string | undefined> {
  const path = env['KNOCK_OTP_PASSPHRASE_FILE'] ?? '';
  const fd = env['KNOCK_OTP_PASSPHRASE_FD'] ?? '';
  if (path !== '') return firstLine(await readPrivateFile(path, owner));
  if (fd === '') return undefined;
  if (!/^[0-9]{1,6}$/.test(fd)) throw new KnockError('USAGE', 'KNOCK_OTP_PASSPHRASE_FD is not a descriptor');
  try {
    // To its end: whoever gives a descriptor closes his side.
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
    hint: 'or somebody has changed the profile file; a forgotten passphrase takes a new profile (knock-otpd enroll --replace)',
  });
}
