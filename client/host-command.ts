/** `knock-otp HOST`: options into a knock, its outcome into words, JSON, or a carried connection. */
import { join } from 'node:path';
import { KnockError } from '../shared/errors.ts';
import { parsePort } from '../shared/knock.ts';
import type { Profile } from '../shared/profile-uri.ts';
import type { Deps } from './deps.ts';
import { type FactorLedger, factorLedger, ledgerName } from './factors.ts';
import { describeEvent, type Families, knock, type Opening } from './knock.ts';
import { configFolder, profileStore, type StoredProfile } from './profiles.ts';
import { startProgress } from './progress.ts';
import { print, say } from './talk.ts';

export interface HostOptions {
  readonly version?: boolean;
  readonly door?: string;
  readonly '4'?: boolean;
  readonly '6'?: boolean;
  readonly both?: boolean;
  readonly verify: boolean;
  readonly timeout: number;
  readonly proxy?: boolean;
  readonly verbose?: boolean;
  readonly json?: boolean;
}

/** @throws KnockError for every outcome but an open door, or sent knocks where nothing can be verified */
export async function knockAtHost(
  host: string,
  port: string | undefined,
  options: HostOptions,
  deps: Deps,
): Promise<void> {
  const families = familiesOf(options);
  const proxyPort = proxyPortOf(port, options);
  const { stored, ledger } = await findProfile(host, options.door, deps);
  const { profile, name } = stored;
  const verifyPort = proxyPort ?? (options.verify ? tcpPortOf(profile) : undefined);
  if (options.verify && verifyPort === undefined) {
    say(deps, `the door "${profile.door}" opens no TCP port that could be tried: sending without verification`);
  }
  const target = profile.host ?? name;
  const progress = options.verbose === true ? undefined : startProgress(name, deps.stderr);
  const results = await knock(
    { profile, name, target, families, verifyPort, timeoutMs: options.timeout * 1000 },
    ledger,
    deps,
    (event) => {
      if (options.verbose === true) say(deps, describeEvent(event));
      progress?.update(event);
    },
  ).finally(() => progress?.stop());

  const openings = results.filter((result): result is Opening => !(result instanceof KnockError));
  const errors = results.filter((result) => result instanceof KnockError);
  const [opening] = openings;
  if (proxyPort !== undefined && opening?.socket !== undefined) {
    const { carry } = await import('./proxy.ts');
    return carry(opening.socket, deps);
  }
  for (const { socket } of openings) socket?.destroy();
  if (options.json === true) print(deps, JSON.stringify(asJson(stored, verifyPort, openings, errors)));
  else for (const each of openings) print(deps, asText(stored, verifyPort, each));
  // The exit code tells of the worst; with both families one may be open.
  const [first, ...others] = errors;
  for (const other of others) say(deps, other.message);
  if (first !== undefined) throw first;
}

/** The profile that the user means, and its used factors. */
export async function findProfile(
  host: string,
  door: string | undefined,
  deps: Deps,
): Promise<{ readonly stored: StoredProfile; readonly ledger: FactorLedger }> {
  const config = configFolder(deps.env, deps.owner.platform);
  const stored = await profileStore(config, deps.owner).find(host, door);
  return { stored, ledger: factorLedger(join(config, 'spent', ledgerName(stored.profile)), deps.owner) };
}

function familiesOf(options: HostOptions): Families {
  if ([options['4'], options['6'], options.both].filter((chosen) => chosen === true).length > 1) {
    throw new KnockError('USAGE', '-4, -6 and --both exclude each other');
  }
  if (options.both === true) return 'both';
  if (options['4'] === true) return 4;
  return options['6'] === true ? 6 : 'any';
}

function proxyPortOf(port: string | undefined, options: HostOptions): number | undefined {
  if (options.proxy !== true) {
    if (port === undefined) return undefined;
    throw new KnockError('USAGE', 'a port is for --proxy only', { hint: 'the door knows what it opens' });
  }
  const number = parsePort(port ?? '');
  if (number === undefined) {
    throw new KnockError('USAGE', '--proxy needs a port from 1 to 65535', {
      hint: 'ProxyCommand knock-otp --proxy %h %p',
    });
  }
  // Standard output is the connection, which is one, and which is the verification.
  if (!options.verify || options.both === true || options.json === true) {
    throw new KnockError('USAGE', '--proxy goes with none of --no-verify, --both and --json');
  }
  return number;
}

function tcpPortOf(profile: Profile): number | undefined {
  return profile.services.find(({ protocol }) => protocol === 'tcp')?.port;
}

function asText({ name, profile }: StoredProfile, verifyPort: number | undefined, opening: Opening): string {
  const { address } = opening.address;
  if (verifyPort === undefined) return `sent to ${name} (${address}), door ${profile.door}, not verified`;
  return `open: ${name} (${address}), door ${profile.door}, tcp/${verifyPort}`;
}

function asJson(
  { name, profile }: StoredProfile,
  verifyPort: number | undefined,
  openings: readonly Opening[],
  errors: readonly KnockError[],
): unknown {
  return {
    name,
    door: profile.door,
    ok: errors.length === 0,
    verified: verifyPort !== undefined,
    ...(verifyPort === undefined ? {} : { service: `tcp/${verifyPort}` }),
    openings: openings.map(({ address, factor, elapsedMs }) => ({
      address: address.address,
      family: address.family,
      factor,
      elapsedMs: Math.round(elapsedMs),
    })),
    errors: errors.map(({ code, message, hint }) => ({ code, message, ...(hint === undefined ? {} : { hint }) })),
  };
}
