/**
 * `knock-otp HOST` with a profile: options into a knock, its outcome into words, JSON, or a carried connection. The ways
 * without a profile are given-command.ts.
 */
import { join } from 'node:path';
import { KnockError } from '../shared/errors.ts';
import type { Profile } from '../shared/profile-uri.ts';
import type { Deps } from './deps.ts';
import { type FactorLedger, factorLedger, ledgerName } from './factors.ts';
import { type HostOptions, type Way, wayOf } from './host-options.ts';
import { describeEvent, knock, type Opening } from './knock.ts';
import { configFolder, profileStore, type StoredProfile } from './profiles.ts';
import { startProgress } from './progress.ts';
import { print, say } from './talk.ts';

/** Of --timeout: room for the wait until a used step of 30 s is over, and for two factors. */
const DEFAULT_TIMEOUT_S = 60;

/** @throws KnockError for every outcome but an open door, or sent knocks where nothing can be verified */
export async function knockAtHost(
  host: string,
  ports: readonly string[],
  options: HostOptions,
  deps: Deps,
): Promise<void> {
  const way = wayOf(ports, options);
  if (way.kind === 'profile') return await knockWithProfile(host, way, options, deps);
  const { knockAsGiven } = await import('./given-command.ts');
  await knockAsGiven(host, way, options, deps);
}

async function knockWithProfile(
  host: string,
  { families, proxyPort }: Way & { readonly kind: 'profile' },
  options: HostOptions,
  deps: Deps,
): Promise<void> {
  const { stored, ledger } = await findProfile(host, options.door, deps);
  const { profile, name } = stored;
  refuseSlowness(profile, options.delay);
  const verifyPort = proxyPort ?? verifyPortOf(profile, options.verify);
  if (options.verify !== false && verifyPort === undefined) say(deps, whyUnverified(profile));
  const target = profile.host ?? name;
  const progress = options.verbose === true ? undefined : startProgress(name, deps.stderr);
  const results = await knock(
    {
      profile,
      name,
      target,
      families,
      verifyPort,
      gapMs: options.delay,
      timeoutMs: (options.timeout ?? DEFAULT_TIMEOUT_S) * 1000,
    },
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

/** Before a factor is spent on a sequence that the server would give up on. */
function refuseSlowness(profile: Profile, delayMs: number | undefined): void {
  if (delayMs === undefined || delayMs * (profile.knocks - 1) < profile.seqTimeout * 1000) return;
  const most = Math.floor((profile.seqTimeout * 1000 - 1) / (profile.knocks - 1));
  throw new KnockError('USAGE', `--delay ${delayMs} is too long for ${profile.knocks} knocks`, {
    hint: `the door "${profile.door}" wants them within ${profile.seqTimeout} s: at most --delay ${most}`,
  });
}

/** @throws KnockError USAGE when the user asks for the one connection that a knock is for to be used up */
function verifyPortOf(profile: Profile, asked: number | false | undefined): number | undefined {
  if (asked === false) return undefined;
  const ports = profile.services.filter(({ protocol }) => protocol === 'tcp').map(({ port }) => port);
  if (profile.opensOnce !== true) return asked ?? ports[0];
  if (asked === undefined || !ports.includes(asked)) return asked;
  throw new KnockError(
    'USAGE',
    `--verify ${asked} would use up the one connection that the door "${profile.door}" lets in`,
    {
      hint: `leave it out, or let the connection that is tried be yours: knock-otp --proxy HOST ${asked}`,
    },
  );
}

function whyUnverified({ door, opensOnce }: Profile): string {
  return opensOnce === true
    ? `the door "${door}" lets one connection in, which is left for you: sending without verification`
    : `the door "${door}" opens no TCP port that could be tried: sending without verification`;
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
