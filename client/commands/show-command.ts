/**
 * `knock-otp show HOST`: prints a sequence without spending it, as ports or as a line for a machine without knock-otp.
 * sequence-factor.ts chooses the factor, hand-lines.ts writes the line.
 */
import { derivationKey, deriveAttempt } from '../../shared/derive.ts';
import { KnockError } from '../../shared/errors.ts';
import { profileShape } from '../../shared/formats/profile-uri.ts';
import { formatSequence, type Knock } from '../../shared/knock.ts';
import { reachableAddresses } from '../address/reachable-addresses.ts';
import { invalidSourceError, type PublicAddress, refuseInvalidSource } from '../address/source-options.ts';
import { type HandForm, handLine } from '../by-hand/hand-lines.ts';
import { acceptedUntilMs, factorToShow, type ShownFactor } from '../by-hand/shown-factor.ts';
import type { Deps } from '../deps.ts';
import { findProfile } from '../factors/found-profile.ts';
import type { PublicProfile } from '../profiles/public-profile.ts';
import { readSecret } from '../profiles/secret-storage.ts';
import { print, say } from '../terminal/output.ts';
import { refuseInvalidFile, refuseInvalidHost } from '../terminal/typed-words.ts';

export interface ShowOptions {
  readonly door?: string;
  readonly at?: number;
  readonly counter?: number;
  readonly code?: boolean;
  readonly as?: HandForm;
  readonly ipv4?: boolean;
  readonly ipv6?: boolean;
  readonly oneTime?: string;
  readonly source?: string;
}

/** A sequence to print, and what is known about its server. */
interface SequenceToShow {
  readonly knocks: readonly Knock[];
  readonly target: string;
  readonly order: 'any' | 'strict';
  readonly timeoutSeconds: number | undefined;
  /** The family of the address that the knocks are bound to. */
  readonly family?: 0 | 4 | 6;
}

export async function showHost(host: string, options: ShowOptions, deps: Deps): Promise<void> {
  refuseContradictions(options);
  if (options.oneTime !== undefined) return await showLine(host, options.oneTime, options, deps);
  const { stored, ledger } = await findProfile(host, options.door, deps);
  const { at, counter, code } = options;
  const { profile, name } = stored;
  const request = { profile, wallMs: deps.clock.wallMs(), at, counter, code: code === true };
  const next = await factorToShow(request, ledger);
  const secret = await readSecret(stored, deps);
  if (code === true) {
    const { authenticatorCode } = await import('../../shared/authenticator-code.ts');
    print(deps, authenticatorCode(secret, next.factor));
    say(deps, `code of ${kindOf(profile)} ${next.factor}; no door accepts this code, it is only for comparison`);
    return;
  }
  const source = await sourceToShow(profile, options);
  const key = derivationKey(secret);
  const knocks = deriveAttempt(key, profile, next.factor, profileShape(profile), source?.bytes);
  const { order, seqTimeout: timeoutSeconds } = profile;
  const family = source?.family ?? 0;
  await printSequence({ knocks, order, timeoutSeconds, target: profile.host ?? name, family }, options, deps);
  const from = next.waitMs === 0 ? '' : `; can be used in ${Math.ceil(next.waitMs / 1000)} s`;
  say(deps, `${kindOf(profile)} ${next.factor}, not spent${from}`);
  if (options.as !== undefined) say(deps, usageOf(profile, next));
  if (source !== undefined) say(deps, `opens only for ${source.text}, and only when the knock comes from there`);
}

/** Undefined for a door that does not bind. No name server is asked, because the line may be for another machine. */
async function sourceToShow(profile: PublicProfile, options: ShowOptions): Promise<PublicAddress | undefined> {
  if (profile.bindsSource !== true) return undefined;
  const { readAddress } = await import('../address/public-address.ts');
  const wanted = options.ipv4 === true ? 4 : options.ipv6 === true ? 6 : undefined;
  const known = options.source === undefined ? (profile.sources ?? []) : [options.source];
  const addresses = known.map(readAddress);
  if (options.source !== undefined && addresses[0] === undefined) throw invalidSourceError();
  const fitting = addresses.find((each) => each !== undefined && (wanted === undefined || each.family === wanted));
  if (fitting !== undefined) return fitting;
  throw new KnockError('USAGE', `the door "${profile.door}" opens only for the address that a knock is made for`, {
    hint: 'give the address that the server will see: --source ADDRESS',
  });
}

/** Prints the line that `--one-time` would take. */
async function showLine(host: string, path: string, options: ShowOptions, deps: Deps): Promise<void> {
  refuseInvalidHost(host);
  const { peekSequence } = await import('../factors/one-time-line.ts');
  const { knocks, number } = await peekSequence(path, deps);
  await printSequence({ knocks, order: 'strict', timeoutSeconds: undefined, target: host }, options, deps);
  say(
    deps,
    `${path}:${number}, not struck out: put a # at the beginning of the line before you use it, and use it once`,
  );
}

async function printSequence(sequence: SequenceToShow, options: ShowOptions, deps: Deps): Promise<void> {
  const { knocks, order, timeoutSeconds, target } = sequence;
  const { as } = options;
  if (as === undefined) return print(deps, formatSequence(knocks));
  const family = options.ipv4 === true ? 4 : options.ipv6 === true ? 6 : (sequence.family ?? 0);
  // One address: a name would be resolved again for each knock, and the knocks could go to different hosts.
  const [address] = await reachableAddresses(target, family, target, deps.network);
  const lines = runsOf(sequence, as).map((run) => handLine(as, { address, knocks: run, order, timeoutSeconds }));
  const line = lines.map((each) => each.line).join('; ');
  const needs = lines.find((each) => each.needs !== undefined)?.needs;
  print(deps, line);
  say(deps, `knocks at ${address.address}${needs === undefined ? '' : `; needs ${needs}`}`);
}

/** nmap shuffles the ports of a run, and the server needs the first half of a bound sequence before the second. */
function runsOf({ knocks, family = 0, order }: SequenceToShow, form: HandForm): readonly (readonly Knock[])[] {
  if (form !== 'nmap' || family === 0 || order === 'strict') return [knocks];
  return [knocks.slice(0, knocks.length / 2), knocks.slice(knocks.length / 2)];
}

function usageOf(profile: PublicProfile, { factor }: ShownFactor): string {
  if (profile.mode === 'hotp') return 'use the line once, before any later knock of this client';
  const until = new Date(acceptedUntilMs(profile, factor)).toISOString().replace('.000Z', 'Z');
  return `use the line once, before ${until}`;
}

function kindOf(profile: PublicProfile): string {
  return profile.mode === 'totp' ? 'time step' : 'counter';
}

function refuseContradictions(options: ShowOptions): void {
  const { at, counter, code, door, as, oneTime, ipv4, ipv6, source } = options;
  refuseInvalidFile(oneTime);
  refuseInvalidSource({ source });
  if (at !== undefined && counter !== undefined) throw new KnockError('USAGE', '--at and --counter exclude each other');
  if (ipv4 === true && ipv6 === true) throw new KnockError('USAGE', '-4 and -6 exclude each other');
  if ((ipv4 === true || ipv6 === true) && as === undefined) {
    throw new KnockError('USAGE', '-4 and -6 go with --as only');
  }
  if (code === true && as !== undefined) throw new KnockError('USAGE', '--code and --as exclude each other');
  if (oneTime !== undefined && [at, counter, code, door, source].some((each) => each !== undefined)) {
    throw new KnockError('USAGE', '--one-time goes with none of --at, --counter, --code, --door and --source');
  }
}
