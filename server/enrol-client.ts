/**
 * Enrolling and revoking: a client's secret comes into being here, goes into a file of its own and into the one line that
 * is handed to the client, and nowhere else.
 */
import { randomBytes } from 'node:crypto';
import { KnockError } from '../shared/errors.ts';
import { formatProfileUri, NAME_PATTERN } from '../shared/profile-uri.ts';
import { GENERATED_SECRET_BYTES, Secret } from '../shared/secret.ts';
import { removeClient, writeClient } from './config/client-files.ts';
import type { ConfiguredDoor, ServerConfig } from './config/config.ts';

export interface EnrolOptions {
  readonly name: string;
  readonly door?: string;
  readonly host?: string;
  /** Gives a client that is enrolled already a new secret. */
  readonly replace: boolean;
}

/** Writes the secret and returns the profile URI. @throws KnockError USAGE, CONFIG_INVALID, INSECURE_FILE */
export async function enrolClient(
  config: ServerConfig,
  { name, door: doorName, host, replace }: EnrolOptions,
): Promise<string> {
  checkName(name);
  const door = doorOf(config, doorName);
  if (door.clients !== undefined && !door.clients.includes(name)) {
    throw new KnockError('USAGE', `"${name}" is not among the clients of [${door.name}]`, {
      hint: `add it to clients in ${config.file}, or remove that line: then every enrolled client may knock`,
    });
  }
  const secret = Secret.fromBytes(randomBytes(GENERATED_SECRET_BYTES));
  const { policy } = door;
  // Made before the file is written: what cannot be handed over is not enrolled.
  const uri = formatProfileUri({
    server: config.serverId,
    door: door.name,
    client: name,
    mode: policy.mode,
    secret,
    ...(host === undefined ? {} : { host }),
    knocks: policy.shape.knocks,
    range: door.range,
    exclude: door.exclude,
    protocols: policy.shape.protocols,
    order: policy.order,
    step: policy.stepSeconds,
    window: policy.window,
    counter: 0,
    seqTimeout: Math.max(1, Math.floor(policy.seqTimeoutMs / 1000)),
    services: door.action.kind === 'nftables' ? door.action.services : [],
  });
  await writeClient(config, { client: name, door: door.name, secret, replace });
  return uri;
}

/** Removes a client's secrets: at one door, or all. @throws KnockError USAGE when there is no such client */
export async function revokeClient(config: ServerConfig, name: string, doorName: string | undefined): Promise<void> {
  checkName(name);
  if (doorName !== undefined) doorOf(config, doorName);
  await removeClient(config, name, doorName);
}

function checkName(name: string): void {
  if (NAME_PATTERN.test(name)) return;
  throw new KnockError('USAGE', "a client's name has 1 to 64 letters, digits, dots, dashes and underscores", {
    hint: 'choose a short name such as laptop',
  });
}

function doorOf(config: ServerConfig, name: string | undefined): ConfiguredDoor {
  const names = config.doors.map((door) => door.name).join(', ');
  const [only] = config.doors;
  if (name === undefined && config.doors.length === 1 && only !== undefined) return only;
  const door = config.doors.find((candidate) => candidate.name === name);
  if (door !== undefined) return door;
  throw new KnockError('USAGE', name === undefined ? 'which door?' : `there is no door "${name}"`, {
    hint: `--door with one of: ${names}`,
  });
}
