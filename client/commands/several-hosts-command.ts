/** `knock-otp b1 b2 b3`, or the name of a group: the first host that opens, or with `--all` every one of them. */
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

/** The host that opens first, with the connection that proved it. @throws KnockError when none does */
export async function knockAtFirst(
  hosts: readonly string[],
  way: ProfileWay,
  options: KnockOptions,
  deps: Deps,
): Promise<DoorResult> {
  const founds = await findAll(hosts, options, deps);
  const { winner, others } = await watched(hosts, options, deps, async (listener) => {
    const first = await firstOpen(founds, { ...options, ...way }, deps, listener);
    if (first.winner !== undefined) return first;
    return { ...first, others: await allTold(first.others, founds, way.proxyPort !== undefined, deps, listener) };
  });
  const errors = others.flatMap((came) => came.errors);
  if (options.json === true) print(deps, JSON.stringify(firstJson(winner, errors)));
  if (winner === undefined && hosts.length === 1 && errors[0] !== undefined) throw errors[0];
  for (const error of errors) sayProblem(error, deps);
  if (winner !== undefined) return winner;
  throw noneOpen(hosts, errors);
}

async function knockAtAll(hosts: readonly string[], way: ProfileWay, options: KnockOptions, deps: Deps): Promise<void> {
  const founds = await findAll(hosts, options, deps);
  const visits = await watched(hosts, options, deps, async (listener) => {
    const all = await allOpen(founds, { ...options, ...way }, deps, listener);
    return await allTold(all, founds, false, deps, listener);
  });
  const errors = visits.flatMap((came) => came.errors);
  if (options.json === true) {
    print(deps, JSON.stringify({ ok: errors.length === 0, hosts: visits.map(doorResultJson) }));
  } else {
    for (const { stored, verifyPort, openings } of visits) {
      for (const opening of openings) print(deps, openingText(stored, verifyPort, opening));
    }
  }
  for (const error of errors) sayProblem(error, deps);
  const closed = visits.filter((came) => came.errors.length > 0).map(({ stored }) => stored.name);
  if (closed.length === 0) return;
  throw new KnockError('DOOR_CLOSED', `${closed.length} of ${hosts.length} did not open: ${closed.join(', ')}`, {
    hint: `see each of them with: knock-otp ${closed[0]} -v`,
  });
}

/** All of them before anything is spent: a name that is mistyped must not wait until it is that host's turn. */
async function findAll(hosts: readonly string[], options: KnockOptions, deps: Deps): Promise<readonly FoundProfile[]> {
  return await Promise.all(hosts.map((host) => findProfile(host, options.door, deps)));
}

/** Side by side: nobody waits for one host's reasons longer than for another's. */
async function allTold(
  visits: readonly DoorResult[],
  founds: readonly FoundProfile[],
  isProxy: boolean,
  deps: Deps,
  listener: HostListener,
): Promise<readonly DoorResult[]> {
  return await Promise.all(
    visits.map(async (came) => {
      const found = founds.find(({ stored }) => stored === came.stored);
      if (found === undefined) return came;
      return await withReasons(came, found, isProxy, deps, (event) => listener(event, came.stored.name));
    }),
  );
}

async function watched<T>(
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
