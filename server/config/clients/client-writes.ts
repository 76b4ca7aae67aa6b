/**
 * Writing secret files: enrolling a client at a door, and revoking. A file is written whole beside the old one, synced
 * and renamed, so that a crash leaves one or the other and no moment when others could read it.
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

const NOTHING: ClientSections = { secrets: new Map(), idle: new IdleSecrets() };

export interface NewClient {
  readonly client: string;
  readonly door: string;
  readonly secret: Secret;
  /** Write over the client's secret for this door; the old one opens nothing any more. */
  readonly replace?: boolean;
}

/** 160 bits of the system's generator. */
export function generateSecret(): Secret {
  return Secret.fromBytes(randomBytes(GENERATED_SECRET_BYTES));
}

/**
 * Durably enrols a client at a door.
 * @throws KnockError USAGE for a name that is none, an unknown door, a client that the door does not list, or one that
 *   is enrolled already; CONFIG_INVALID or INSECURE_FILE for what is wrong with the file that is there; STORE
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
  const { secrets, idle } = (await readBefore(config, client)) ?? NOTHING;
  if (secrets.get(name) instanceof Secret && !replace) {
    throw new KnockError('USAGE', `${client} is enrolled at door [${door}] already`, {
      hint: 'ask for --replace to give it a new secret; the old one then opens nothing',
    });
  }
  await save(config, client, { secrets: new Map([...secrets, [name, secret]]), idle });
  return { file: clientPath(config.clientsDir, client), enrolment: enrolmentOf(name, client, secret) };
}

/**
 * Durably takes a client's right away, at one door or at all, and answers at which. Where a door lists the client by
 * name the file says `revoked` from now on: the daemon must be able to start before somebody edits its configuration.
 * @throws KnockError USAGE when there is no such right; CONFIG_INVALID or INSECURE_FILE as {@link writeClient}; STORE
 */
export async function removeClient(config: ServerConfig, client: string, door?: string): Promise<readonly string[]> {
  checkName(client);
  if (door !== undefined) findDerivedDoor(config, door);
  const doors = config.doors.filter(isDerivedDoor).filter(({ name }) => door === undefined || name === door);
  const findings = new Findings();
  const before = await readClientFile(config.clientsDir, client, namesOf(config), findings);
  // One door's section can only be taken out of a file that can be read. To revoke all of it nothing needs to be read,
  // and a file that others could read is the best of reasons.
  if (before === 'refused' && door !== undefined) findings.throwIfAny(config.file);
  const removed = doors.filter(({ name, clients }) =>
    before === 'refused' ? clients?.includes(client) !== false : before?.secrets.get(name) instanceof Secret,
  );
  // Secrets of doors that are not configured now: they would be valid again on the day that the door comes back.
  const idle = before === 'refused' || before === undefined ? NOTHING.idle : before.idle;
  const endsIdle = door === undefined && idle.size > 0;
  if (removed.length === 0 && !endsIdle && before !== 'refused') {
    throw new KnockError(
      'USAGE',
      `${client} is not enrolled at ${door === undefined ? 'any door' : `door [${door}]`}`,
      {
        hint: 'knock-otpd check lists who is',
      },
    );
  }
  const after = new Map(before === 'refused' ? [] : before?.secrets);
  for (const { name, clients } of removed) {
    if (clients?.includes(client) === true) after.set(name, 'revoked');
    else after.delete(name);
  }
  await save(config, client, { secrets: after, idle: endsIdle ? NOTHING.idle : idle }, before === 'refused');
  // Not by their names: what stands in a file beside our doors may be anything, a secret too.
  return [...removed.map(({ name }) => name), ...(endsIdle ? ['doors that are not configured'] : [])];
}

function checkName(client: string): void {
  // What passes here holds no slash and does not begin with a dot: it names a file of the directory and no other.
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
      hint: 'replace its sequence by otp = totp to give each client a secret',
    });
  }
  const names = namesOf(config);
  const near = nearMiss(door, names);
  throw new KnockError('USAGE', `there is no door "${door.slice(0, 64)}" in ${config.file}`, {
    hint: near === undefined ? `doors are: ${names.join(', ')}` : `did you mean ${near}?`,
  });
}

/** What is there must be sound: writing over a file that others could have changed would bless what they put there. */
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

/** `discard` removes what is there first: writing would follow a symbolic link. */
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
    // The mode is given rather than left to the old file's: it is that of the temporary file from its first byte.
    if (!isEmpty) await writeFileAtomic(path, formatClient(sections), { mode: 0o600, fsync: true });
    await syncDirectory(clientsDir);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new KnockError('STORE', `cannot write ${path}: ${code}`, { cause });
  }
}

/** A rename or removal is durable when the directory is. */
async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
