/**
 * Enrols a client: generates its secret, writes it into the client's file, and returns the profile URI for the client. The
 * secret goes nowhere else.
 */
import { KnockError } from '../../../shared/errors.ts';
import { formatProfileUri } from '../../../shared/formats/profile-uri.ts';
import { opensOnce, servicesOf } from '../../firewall/firewall.ts';
import type { DerivedDoor, ServerConfig } from '../config.ts';
import { crowdProblem } from '../listening-config.ts';
import { enrolmentsAt } from '../load-server.ts';
import { readClients } from './client-files.ts';
import { generateSecret, writeClient } from './client-writes.ts';

export interface EnrolOptions {
  readonly name: string;
  readonly door?: string;
  readonly host?: string;
  /** Gives a client that is already enrolled a new secret. */
  readonly replace: boolean;
}

/** Writes the secret and returns the profile URI. @throws KnockError USAGE, and as {@link writeClient} */
export async function enrolClient(
  config: ServerConfig,
  { name, door: doorName, host, replace }: EnrolOptions,
): Promise<string> {
  const door = doorOf(config, doorName);
  const secret = generateSecret();
  const { policy } = door;
  // Before the file is written: a client without a valid URI must not be enrolled.
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
    services: servicesOf(door.action),
    ...(policy.bindsSource === true ? { bindsSource: true } : {}),
    ...(opensOnce(door.action) ? { opensOnce: true } : {}),
  });
  await refuseCrowd(config, door, name);
  await writeClient(config, { client: name, door: door.name, secret, replace });
  return uri;
}

/** Refuses a client that is one too many for a listening door: with it, the door would stay shut for all clients. */
async function refuseCrowd(config: ServerConfig, door: DerivedDoor, name: string): Promise<void> {
  if (door.listenPorts === undefined) return;
  const others = enrolmentsAt(door.name, await readClients(config)).filter(({ client }) => client !== name);
  const problem = crowdProblem(door, others.length + 1);
  if (problem === undefined) return;
  throw new KnockError('USAGE', `[${door.name}] has no room for one more client: ${problem.message}`, {
    ...(problem.hint === undefined ? {} : { hint: problem.hint }),
  });
}

function doorOf(config: ServerConfig, name: string | undefined): DerivedDoor {
  const doors = config.doors.filter((door) => door.kind === 'derived');
  const names = doors.map((door) => door.name).join(', ');
  const [only] = doors;
  if (name === undefined && doors.length === 1 && only !== undefined) return only;
  const door = doors.find((candidate) => candidate.name === name);
  if (door !== undefined) return door;
  if (config.doors.some((candidate) => candidate.name === name) || doors.length === 0) {
    throw new KnockError('USAGE', 'a door with written-down sequences has no clients to enroll', {
      hint: 'replace its sequence with otp = totp to give each client a secret',
    });
  }
  throw new KnockError('USAGE', name === undefined ? 'which door?' : `there is no door "${name}"`, {
    hint: `--door with one of: ${names}`,
  });
}
