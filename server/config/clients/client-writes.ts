/**
 * Writes secret files: enrols a client at a door, and revokes clients. Writes a temporary file, syncs it and renames it.
 * So a crash leaves the old or the new file, and other users can read neither at any time.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, open, unlink } from 'node:fs/promises';
import writeFileAtomic from 'write-file-atomic';
import { KnockError } from '../../../shared/errors.ts';
import { NAME_PATTERN } from '../../../shared/formats/profile-uri.ts';
import { GENERATED_SECRET_BYTES, Secret } from '../../../shared/secret.ts';
import type { Enrolment } from '../../core/door.ts';
import type { ConfiguredDoor, DerivedDoor, ServerConfig } from '../config.ts';
import { Findings } from '../findings.ts';
import { nearMiss } from '../near-miss.ts';
import { NAME_HINT } from '../sections/section-reader.ts';
import { type ClientSections, formatClient, IdleSecrets } from './client-document.ts';
import { checkClientsDir, clientPath, enrolmentOf, readClientFile } from './client-files.ts';

const NO_SECRETS: ClientSections = { secrets: new Map(), idle: new IdleSecrets() };

export interface NewClient {
  readonly client: string;
  readonly door: string;
  readonly secret: Secret;
  /** Replaces the client's secret for this door; the old secret then opens nothing. */
  readonly replace?: boolean;
}

/** 160 bits from the system's random generator. */
export function generateSecret(): Secret {
  return Secret.fromBytes(randomBytes(GENERATED_SECRET_BYTES));
}

/**
 * Durably enrols a client at a door.
 * @throws KnockError USAGE for an invalid name, an unknown door, a client that the door does not list, or one that is
 *   already enrolled; CONFIG_INVALID or INSECURE_FILE for a problem of the existing file; STORE when the write fails
 */
export async function writeClient(
  config: ServerConfig,
  { client, door, secret, replace = false }: NewClient,
): Promise<{ readonly file: string; readonly enrolment: Enrolment }> {
  checkName(client);
  const { name, clients } = findDerivedDoor(config, door);
  if (clients?.includes(client) === false) {
    throw new KnockError('USAGE', `door [${door}] lists its clients, and ${client} is not among them`, {
      hint: `add ${client} to "clients" of [${door}] in ${config.file} first`,
    });
  }
  const { secrets, idle } = (await readBefore(config, client)) ?? NO_SECRETS;
  if (secrets.get(name) instanceof Secret && !replace) {
    throw new KnockError('USAGE', `${client} is enrolled at door [${door}] already`, {
      hint: '--replace gives it a new secret; the old one then opens nothing',
    });
  }
  await save(config, client, { secrets: new Map([...secrets, [name, secret]]), idle });
  return { file: clientPath(config.clientsDir, client), enrolment: enrolmentOf(name, client, secret) };
}

/**
 * Durably revokes a client at one door or at all, and returns these doors. If a door lists the client by name, its section
 * becomes `revoked`, so the daemon still starts before an administrator edits the configuration.
 * @throws KnockError USAGE when the client is not enrolled; CONFIG_INVALID or INSECURE_FILE as {@link writeClient}; STORE
 */
export async function removeClient(config: ServerConfig, client: string, door?: string): Promise<readonly string[]> {
  checkName(client);
  if (door !== undefined) findDerivedDoor(config, door);
  const doors = config.doors.filter(isDerivedDoor).filter(({ name }) => door === undefined || name === door);
  const findings = new Findings();
  const before = await readClientFile(config.clientsDir, client, namesOf(config), findings);
  // Only a readable file can lose one section. Revoking all doors needs no reading, and a file that other users could
  // read is a good reason to revoke it.
  if (before === 'refused' && door !== undefined) findings.throwIfAny(config.file);
  const removed = doors.filter(({ name, clients }) =>
    before === 'refused' ? clients?.includes(client) !== false : before?.secrets.get(name) instanceof Secret,
  );
  // Secrets of doors that are not configured now would be valid again when the door comes back.
  const idle = before === 'refused' || before === undefined ? NO_SECRETS.idle : before.idle;
  const endsIdle = door === undefined && idle.size > 0;
  if (removed.length === 0 && !endsIdle && before !== 'refused') {
    throw new KnockError(
      'USAGE',
      `${client} is not enrolled at ${door === undefined ? 'any door' : `door [${door}]`}`,
      {
        hint: 'knock-otpd check lists the clients of each door',
      },
    );
  }
  const after = new Map(before === 'refused' ? [] : before?.secrets);
  for (const { name, clients } of removed) {
    if (clients?.includes(client) === true) after.set(name, 'revoked');
    else after.delete(name);
  }
  await save(config, client, { secrets: after, idle: endsIdle ? NO_SECRETS.idle : idle }, before === 'refused');
  // Without their names: an unknown section name may be a pasted secret.
  return [...removed.map(({ name }) => name), ...(endsIdle ? ['doors that are not configured'] : [])];
}

function checkName(client: string): void {
  // A valid name has no slash and no leading dot, so it always names a file inside the directory.
  if (!NAME_PATTERN.test(client)) {
    throw new KnockError('USAGE', `"${client.slice(0, 64)}" is not a name for a client`, { hint: NAME_HINT });
  }
}

function isDerivedDoor(door: ConfiguredDoor): door is DerivedDoor {
  return door.kind === 'derived';
}

function findDerivedDoor(config: ServerConfig, door: string): DerivedDoor {
  const found = config.doors.find(({ name }) => name === door);
  if (found?.kind === 'derived') return found;
  if (found !== undefined) {
    throw new KnockError('USAGE', `the sequences of door [${door}] are written down: it has no clients`, {
      hint: 'replace its sequence with otp = totp to give each client a secret',
    });
  }
  const names = namesOf(config);
  const near = nearMiss(door, names);
  throw new KnockError('USAGE', `there is no door "${door.slice(0, 64)}" in ${config.file}`, {
    hint: near === undefined ? `doors are: ${names.join(', ')}` : `did you mean ${near}?`,
  });
}

/** Refuses a file that other users could have changed: rewriting it would turn their changes into trusted ones. */
async function readBefore(config: ServerConfig, client: string): Promise<ClientSections | undefined> {
  const findings = new Findings();
  await checkClientsDir(config.clientsDir, findings);
  const before = await readClientFile(config.clientsDir, client, namesOf(config), findings);
  findings.throwIfAny(config.file);
  return before === 'refused' ? undefined : before;
}

function namesOf(config: ServerConfig): readonly string[] {
  return config.doors.map(({ name }) => name);
}

/** `discard` removes the old file first, because writing would follow a symbolic link. */
async function save(
  { clientsDir }: ServerConfig,
  client: string,
  sections: ClientSections,
  discard = false,
): Promise<void> {
  const path = clientPath(clientsDir, client);
  try {
    await mkdir(clientsDir, { recursive: true, mode: 0o700 });
    const isEmpty = sections.secrets.size + sections.idle.size === 0;
    if (discard || isEmpty) await unlink(path);
    // With an explicit mode the temporary file has it from its first byte, whatever the mode of the old file.
    if (!isEmpty) await writeFileAtomic(path, formatClient(sections), { mode: 0o600, fsync: true });
    await syncDirectory(clientsDir);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new KnockError('STORE', `cannot write ${path}: ${code}`, { cause });
  }
}

/** A rename or removal is durable only after a sync of the directory. */
async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
