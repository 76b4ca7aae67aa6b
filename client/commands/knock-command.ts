/**
 * `knock-otp HOST` with a profile: turns options into a knock, and its result into text, JSON or a carried connection.
 * typed-sequence-command.ts knocks without a profile, several-hosts-command.ts at several hosts.
 */
import type { Deps } from '../deps.ts';
import { findProfile } from '../factors/found-profile.ts';
import { doorResultJson, openingText } from '../knock/door-result-text.ts';
import { knockAtDoor } from '../knock/knock-at-door.ts';
import { describeEvent, type KnockEvent } from '../knock/knock-events.ts';
import { startProgress } from '../knock/progress-line.ts';
import { hostsOf } from '../profiles/groups.ts';
import { print, say, sayProblem } from '../terminal/output.ts';
import { withReasons } from './closed-door-reasons.ts';
import { type KnockOptions, type Way, wayOf } from './knock-options.ts';

/** @throws KnockError unless the door is open, or the knocks are sent where nothing can be verified */
export async function knockAtHost(
  host: string,
  words: readonly string[],
  options: KnockOptions,
  deps: Deps,
): Promise<void> {
  const way = wayOf(words, options);
  if (way.kind === 'ports' || way.kind === 'file') {
    const { knockTypedSequence } = await import('./typed-sequence-command.ts');
    return await knockTypedSequence(host, way, options, deps);
  }
  const hosts = await hostsOf([host, ...way.others], deps);
  const [only, second] = hosts;
  if (only !== undefined && second === undefined) return await knockWithProfile(only, way, options, deps);
  const { knockAtHosts } = await import('./several-hosts-command.ts');
  await knockAtHosts(hosts, way, options, deps);
}

async function knockWithProfile(
  host: string,
  { families, proxyPort }: Way & { readonly kind: 'profile' },
  options: KnockOptions,
  deps: Deps,
): Promise<void> {
  const found = await findProfile(host, options.door, deps);
  const { name } = found.stored;
  const progress = options.verbose === true ? undefined : startProgress(name, deps.stderr, deps.env);
  const listener = (event: KnockEvent) => {
    if (options.verbose === true) say(deps, describeEvent(event));
    progress?.update(event);
  };
  const result = await knockAtDoor(found, { ...options, families, proxyPort }, deps, listener)
    .then((knocked) => withReasons(knocked, found, proxyPort !== undefined, deps, listener))
    .finally(() => progress?.stop());
  const { openings, errors, verifyPort } = result;
  const [opening] = openings;
  if (proxyPort !== undefined && opening?.socket !== undefined) {
    const { carryConnection } = await import('../ssh/carry-connection.ts');
    return carryConnection(opening.socket, deps);
  }
  for (const { socket } of openings) socket?.destroy();
  if (options.json === true) print(deps, JSON.stringify(doorResultJson(result)));
  else for (const each of openings) print(deps, openingText(found.stored, verifyPort, each));
  // The exit code is that of an error, although with both families one may be open.
  const [first, ...others] = errors;
  for (const other of others) sayProblem(other, deps);
  if (first !== undefined) throw first;
}
