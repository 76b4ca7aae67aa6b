/** `knock-otp b1 b2 b3`, or the name of a group: opens the first host that opens, or with `--all` every host. */
import { KnockError } from '../../shared/errors.ts';
import type { Deps } from '../deps.ts';
import { type FoundProfile, findProfile } from '../factors/found-profile.ts';
import type { DoorResult } from '../knock/door-result.ts';
import { doorResultJson, errorJson, openingText } from '../knock/door-result-text.ts';
import { describeEvent } from '../knock/knock-events.ts';
import { startProgress } from '../knock/progress-line.ts';
import { allOpen, closeAll, firstOpen, type HostListener } from '../knock/several-hosts.ts';
import { print, say, sayProblem } from '../terminal/output.ts';
import { withReasons } from './closed-door-reasons.ts';
import type { KnockOptions, Way } from './knock-options.ts';

type ProfileWay = Way & { readonly kind: 'profile' };

/** @throws KnockError when no host opens, or with `--all` when one does not */
export async function knockAtHosts(
  hosts: readonly string[],
  way: ProfileWay,
  options: KnockOptions,
  deps: Deps,
): Promise<void> {
  if (way.families === 'both') throw new KnockError('USAGE', '--both goes with one host', { hint: 'choose -4 or -6' });
  if (options.all === true) return await knockAtAll(hosts, way, options, deps);
  const winner = await knockAtFirst(hosts, way, options, deps);
  const [opening] = winner.openings;
  if (way.proxyPort !== undefined && opening?.socket !== undefined) {
    const { carryConnection } = await import('../ssh/carry-connection.ts');
    return carryConnection(opening.socket, deps);
  }
  closeAll(winner);
  if (options.json !== true && opening !== undefined) {
    print(deps, openingText(winner.stored, winner.verifyPort, opening));
  }
}

/** The host that opens first, with the connection that proves it. @throws KnockError when none opens */
export async function knockAtFirst(
  hosts: readonly string[],
  way: ProfileWay,
  options: KnockOptions,
  deps: Deps,
): Promise<DoorResult> {
  const profiles = await findAll(hosts, options, deps);
  const { winner, others } = await withProgress(hosts, options, deps, async (listener) => {
    const first = await firstOpen(profiles, { ...options, ...way }, deps, listener);
    if (first.winner !== undefined) return first;
    return {
      ...first,
      others: await withAllReasons(first.others, profiles, way.proxyPort !== undefined, deps, listener),
    };
  });
  const errors = others.flatMap((result) => result.errors);
  if (options.json === true) print(deps, JSON.stringify(firstJson(winner, errors)));
  if (winner === undefined && hosts.length === 1 && errors[0] !== undefined) throw errors[0];
  for (const error of errors) sayProblem(error, deps);
  if (winner !== undefined) return winner;
  throw noneOpen(hosts, errors);
}

async function knockAtAll(hosts: readonly string[], way: ProfileWay, options: KnockOptions, deps: Deps): Promise<void> {
  const profiles = await findAll(hosts, options, deps);
  const results = await withProgress(hosts, options, deps, async (listener) => {
    const all = await allOpen(profiles, { ...options, ...way }, deps, listener);
    return await withAllReasons(all, profiles, false, deps, listener);
  });
  const errors = results.flatMap((result) => result.errors);
  if (options.json === true) {
    print(deps, JSON.stringify({ ok: errors.length === 0, hosts: results.map(doorResultJson) }));
  } else {
    for (const { stored, verifyPort, openings } of results) {
      for (const opening of openings) print(deps, openingText(stored, verifyPort, opening));
    }
  }
  for (const error of errors) sayProblem(error, deps);
  const closed = results.filter((result) => result.errors.length > 0).map(({ stored }) => stored.name);
  if (closed.length === 0) return;
  throw new KnockError('DOOR_CLOSED', `${closed.length} of ${hosts.length} did not open: ${closed.join(', ')}`, {
    hint: `see each of them with: knock-otp ${closed[0]} -v`,
  });
}

/** Finds all profiles before a factor is spent, so that a mistyped name is reported first. */
async function findAll(hosts: readonly string[], options: KnockOptions, deps: Deps): Promise<readonly FoundProfile[]> {
  return await Promise.all(hosts.map((host) => findProfile(host, options.door, deps)));
}

/** Runs the checks of all hosts in parallel. */
async function withAllReasons(
  results: readonly DoorResult[],
  profiles: readonly FoundProfile[],
  isProxy: boolean,
  deps: Deps,
  listener: HostListener,
): Promise<readonly DoorResult[]> {
  return await Promise.all(
    results.map(async (result) => {
      const found = profiles.find(({ stored }) => stored === result.stored);
      if (found === undefined) return result;
      return await withReasons(result, found, isProxy, deps, (event) => listener(event, result.stored.name));
    }),
  );
}

async function withProgress<T>(
  hosts: readonly string[],
  options: KnockOptions,
  deps: Deps,
  work: (listener: HostListener) => Promise<T>,
): Promise<T> {
  const progress = options.verbose === true ? undefined : startProgress(hosts.join(', '), deps.stderr, deps.env);
  return await work((event, name) => {
    if (options.verbose === true) say(deps, `${name}: ${describeEvent(event)}`);
    progress?.update(event, name);
  }).finally(() => progress?.stop());
}

function firstJson(winner: DoorResult | undefined, errors: readonly KnockError[]): unknown {
  return {
    ok: winner !== undefined,
    hosts: winner === undefined ? [] : [doorResultJson(winner)],
    errors: errors.map(errorJson),
  };
}

function noneOpen(hosts: readonly string[], errors: readonly KnockError[]): KnockError {
  const hint = errors.find((error) => error.hint !== undefined)?.hint;
  return new KnockError('DOOR_CLOSED', `none of ${hosts.join(', ')} opened`, hint === undefined ? {} : { hint });
}
