/**
 * Reads the directory of secret files, one per client: which client is enrolled at which door. Refuses files that other
 * users could read or change. `client-writes.ts` writes the files, `client-document.ts` parses them.
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
/** A section is at most about 190 bytes, so this holds more than a thousand doors. */
const RULES = { secret: true, maxBytes: 256 * 1024 };
/** Reading thousands of small files is mostly waiting. */
const READ_AT_ONCE = 64;
/**
 * HKDF-Expand info of key ids. It never equals an identity's info (shared/derive), which begins with the length of a
 * name of at most 64 bytes.
 */
const KEY_ID_LABEL = utf8ToBytes('knock-otp/1 key id');
const KEY_ID_BYTES = 8;

/**
 * Every enrolment of every client at a door of `config`.
 * @throws KnockError CONFIG_INVALID with all problems, INSECURE_FILE when each is a file that others can read or change
 */
export async function readClients(config: ServerConfig): Promise<readonly Enrolment[]> {
  const findings = new Findings();
  const doorNames = config.doors.map(({ name }) => name);
  const enrolments = await readEnrolments(config, doorNames, findings);
  findings.throwIfAny(config.file);
  return enrolments;
}

/**
 * As {@link readClients}, but reports problems and warnings to `findings`. `doorNames` are all doors of the configuration
 * file; `config.doors` lacks doors with problems.
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
    const batch = names.slice(at, at + READ_AT_ONCE);
    const reads = await Promise.all(batch.map((client) => readTrusted(clientPath(config.clientsDir, client), RULES)));
    // Findings are in the order of the names, not of the reads.
    for (const [index, client] of batch.entries()) {
      const read = reads[index] ?? { kind: 'missing' };
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

/** Undefined when there is no file, `refused` when the file has a problem. */
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
  for (const warning of read.warnings) findings.warn({ ...warning, file });
  const { problems, warnings, ...sections } = parseClient(read.text, doorNames);
  for (const problem of problems) findings.problem({ ...problem, file });
  for (const warning of warnings) findings.warn({ ...warning, file });
  return problems.length > 0 ? 'refused' : sections;
}

/** Undefined when the directory has a problem, which is then in `findings`. */
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
        message: `it is not a ${CLIENT_SUFFIX} file and is ignored`,
        hint: 'copies hold secrets',
      });
    } else if (!NAME_PATTERN.test(name)) {
      findings.problem({ ...place, message: 'it is not named after a client', hint: NAME_HINT });
    } else names.push(name);
  }
  return names;
}

/** Refuses a directory in which other users could create files. */
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
      // Client names are not secret. But in such a directory only the files' own modes protect the secrets.
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
    findings.problem({ file: clientsDir, message, hint: 'the user who runs knock-otpd must own it' });
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
      const message = 'it has a secret for a door with written-down sequences';
      findings.warn({ file, section: door.name, message, hint: 'such a door uses no secret' });
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
      findings.warn({ ...place, message: `${client} is revoked`, hint: `remove ${client} from "clients"` });
    } else if (secret === undefined) {
      const what = sections === undefined ? 'is not enrolled: there is no' : 'has no secret for this door in';
      findings.problem({
        ...place,
        message: `${client} ${what} ${clientPath(clientsDir, client)}`,
        hint: `knock-otpd enroll ${client} --door ${door.name}, or remove the name`,
      });
    }
  }
}

/** Only a warning, because the clients' sequences differ. But revoking one client does not lock out the other's holder. */
function reportSharedSecrets(enrolments: readonly Enrolment[], findings: Findings): void {
  const owners = new Map<string, string>();
  for (const { client, door, keyId } of enrolments) {
    const owner = owners.get(keyId);
    if (owner === undefined) owners.set(keyId, client);
    else if (owner !== client) {
      findings.warn({
        section: door,
        message: `${owner} and ${client} share one secret`,
        hint: 'enroll one of them with --replace',
      });
    }
  }
}
