/**
 * The directory of secret files, one a client: who is enrolled at which door. Reads it and refuses what others could
 * have read or written. Writing is client-writes' business, what a file says client-document's.
 */
import { constants } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expand } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { derivationKey } from '../../../shared/derive.ts';
import { NAME_PATTERN } from '../../../shared/formats/profile-uri.ts';
import type { Secret } from '../../../shared/secret.ts';
import type { Enrolment } from '../../core/door.ts';
import type { ConfiguredDoor, ServerConfig } from '../config.ts';
import { Findings } from '../findings.ts';
import { shorten } from '../sections/section-keys.ts';
import { NAME_HINT } from '../sections/section-reader.ts';
import { ownershipFlaw, readTrusted, type TrustedRead } from '../trusted-file.ts';
import { type ClientSections, parseClient } from './client-document.ts';

const CLIENT_SUFFIX = '.client';
/** A section for a door is at most some 190 bytes: room for more than a thousand doors. */
const RULES = { secret: true, maxBytes: 256 * 1024 };
/** Of thousands of small files, most of the time goes into waiting. */
const READ_AT_ONCE = 64;
/**
 * HKDF-Expand info of key ids. An identity's info (shared/derive) begins with the length of a name of at most 64 bytes,
 * so this text is never one.
 */
const KEY_ID_LABEL = utf8ToBytes('knock-otp/1 key id');
const KEY_ID_BYTES = 8;

/**
 * Every client's right at every door of `config`.
 * @throws KnockError CONFIG_INVALID with all problems, INSECURE_FILE when they are all files that others can read
 */
export async function readClients(config: ServerConfig): Promise<readonly Enrolment[]> {
  const findings = new Findings();
  const doorNames = config.doors.map(({ name }) => name);
  const enrolments = await readEnrolments(config, doorNames, findings);
  findings.throwIfAny(config.file);
  return enrolments;
}

/**
 * As {@link readClients}, with what is wrong or doubtful in `findings`. `doorNames` are the doors that files may name;
 * `config.doors` lacks those that could not be read.
 */
export async function readEnrolments(
  config: ServerConfig,
  doorNames: readonly string[],
  findings: Findings,
): Promise<readonly Enrolment[]> {
  const names = await listClients(config.clientsDir, findings);
  if (names === undefined) return [];
  const enrolments: Enrolment[] = [];
  const files = new Map<string, ClientSections | 'refused'>();
  for (let at = 0; at < names.length; at += READ_AT_ONCE) {
    const some = names.slice(at, at + READ_AT_ONCE);
    const reads = await Promise.all(some.map((client) => readTrusted(clientPath(config.clientsDir, client), RULES)));
    // What is found is said in the order of the names, whichever was read first.
    for (const [each, client] of some.entries()) {
      const read = reads[each] ?? { kind: 'missing' };
      const sections = sectionsOf(read, clientPath(config.clientsDir, client), doorNames, findings);
      if (sections === undefined) continue;
      files.set(client, sections);
      if (sections !== 'refused') enrolments.push(...enrolmentsOf(client, sections, config, findings));
    }
  }
  for (const door of config.doors) reportMissing(door, files, config, findings);
  reportSharedSecrets(enrolments, findings);
  return enrolments;
}

export function clientPath(clientsDir: string, client: string): string {
  return join(clientsDir, `${client}${CLIENT_SUFFIX}`);
}

/** Undefined when there is no file, `refused` when there is one that must not be used. */
export async function readClientFile(
  clientsDir: string,
  client: string,
  doorNames: readonly string[],
  findings: Findings,
): Promise<ClientSections | 'refused' | undefined> {
  const file = clientPath(clientsDir, client);
  return sectionsOf(await readTrusted(file, RULES), file, doorNames, findings);
}

function sectionsOf(
  read: TrustedRead,
  file: string,
  doorNames: readonly string[],
  findings: Findings,
): ClientSections | 'refused' | undefined {
  if (read.kind === 'missing') return undefined;
  if (read.kind !== 'text') {
    if (read.kind === 'insecure') findings.insecure({ file, ...read.flaw });
    else findings.problem({ file, ...read.flaw });
    return 'refused';
  }
  const { problems, warnings, ...sections } = parseClient(read.text, doorNames);
  for (const problem of problems) findings.problem({ ...problem, file });
  for (const warning of warnings) findings.warn({ ...warning, file });
  return problems.length > 0 ? 'refused' : sections;
}

/** Undefined when the directory must not be used, which is a problem then. */
async function listClients(clientsDir: string, findings: Findings): Promise<readonly string[] | undefined> {
  const state = await checkClientsDir(clientsDir, findings);
  if (state !== 'usable') return state === 'missing' ? [] : undefined;
  const names: string[] = [];
  for (const entry of (await readdir(clientsDir)).toSorted()) {
    if (entry.startsWith('.')) continue;
    const name = entry.endsWith(CLIENT_SUFFIX) ? entry.slice(0, -CLIENT_SUFFIX.length) : undefined;
    const place = { file: join(clientsDir, shorten(entry)) };
    if (name === undefined) {
      findings.warn({
        ...place,
        message: `it is no ${CLIENT_SUFFIX} file and is not read`,
        hint: 'copies hold secrets',
      });
    } else if (!NAME_PATTERN.test(name)) {
      findings.problem({ ...place, message: 'it is not named after a client', hint: NAME_HINT });
    } else names.push(name);
  }
  return names;
}

/** Refuses a directory in which others could put files of their own. */
export async function checkClientsDir(
  clientsDir: string,
  findings: Findings,
): Promise<'usable' | 'missing' | 'refused'> {
  try {
    const handle = await open(clientsDir, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      const { uid, mode } = await handle.stat();
      const flaw = ownershipFlaw(uid, mode, 0o022);
      if (flaw !== undefined) findings.insecure({ file: clientsDir, ...flaw });
      // Names of clients are no secrets; it is said because the files' modes are then all that protects them.
      const warning = flaw === undefined ? ownershipFlaw(uid, mode, 0o077) : undefined;
      if (warning !== undefined) findings.warn({ file: clientsDir, ...warning });
      return flaw === undefined ? 'usable' : 'refused';
    } finally {
      await handle.close();
    }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    if (code === 'ENOENT') return 'missing';
    const message = `the directory of clients cannot be read: ${code}`;
    findings.problem({ file: clientsDir, message, hint: 'it belongs to the user that runs knock-otpd' });
    return 'refused';
  }
}

function enrolmentsOf(
  client: string,
  { secrets }: ClientSections,
  config: ServerConfig,
  findings: Findings,
): Enrolment[] {
  const enrolments: Enrolment[] = [];
  for (const door of config.doors) {
    const secret = secrets.get(door.name);
    if (secret === undefined || secret === 'revoked') continue;
    const file = clientPath(config.clientsDir, client);
    if (door.kind !== 'derived') {
      const message = 'it has a secret for a door whose sequences are written down';
      findings.warn({ file, section: door.name, message, hint: 'such a door asks for no secret' });
      continue;
    }
    if (door.clients?.includes(client) === false) {
      const message = `it has a secret for a door whose "clients" do not name ${client}`;
      findings.warn({ file, section: door.name, message, hint: 'it cannot knock there' });
      continue;
    }
    enrolments.push(enrolmentOf(door.name, client, secret));
  }
  return enrolments;
}

export function enrolmentOf(door: string, client: string, secret: Secret): Enrolment {
  const key = derivationKey(secret);
  return { door, client, key, keyId: bytesToHex(expand(sha256, key, KEY_ID_LABEL, KEY_ID_BYTES)) };
}

function reportMissing(
  door: ConfiguredDoor,
  files: ReadonlyMap<string, ClientSections | 'refused'>,
  { clientsDir }: ServerConfig,
  findings: Findings,
): void {
  if (door.kind !== 'derived') return;
  for (const client of door.clients ?? []) {
    const sections = files.get(client);
    const place = { section: door.name, key: 'clients' };
    if (sections === 'refused') continue;
    const secret = sections?.secrets.get(door.name);
    if (secret === 'revoked') {
      findings.warn({ ...place, message: `${client} is revoked`, hint: `take ${client} out of "clients"` });
    } else if (secret === undefined) {
      const what = sections === undefined ? 'is no client: there is no' : 'has no secret for this door in';
      findings.problem({
        ...place,
        message: `${client} ${what} ${clientPath(clientsDir, client)}`,
        hint: `knock-otpd enroll ${client} --door ${door.name}, or take the name out`,
      });
    }
  }
}

/** Not refused, since each client's sequences differ; but to revoke one is then not to lock the other's holder out. */
function reportSharedSecrets(enrolments: readonly Enrolment[], findings: Findings): void {
  const owners = new Map<string, string>();
  for (const { client, door, keyId } of enrolments) {
    const owner = owners.get(keyId);
    if (owner === undefined) owners.set(keyId, client);
    else if (owner !== client) {
      findings.warn({
        section: door,
        message: `${owner} and ${client} have one secret`,
        hint: 'enroll one of them anew',
      });
    }
  }
}
