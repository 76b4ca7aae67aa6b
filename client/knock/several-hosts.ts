/**
 * Several hosts at once. One of them is wanted: each gets a short head start over the next (RFC 8305 does so for
 * addresses), because a knock spends a factor of its own and most of the time the first host opens. Or all of them are:
 * then they are knocked at side by side.
 */
import type { Deps } from '../deps.ts';
import type { FoundProfile } from '../factors/found-profile.ts';
import type { DoorKnockOptions, DoorResult } from './door-result.ts';
import { knockAtDoor } from './knock-at-door.ts';
import type { KnockEvent } from './knock-events.ts';

/** A good knock is open after two round trips and a command on the server; then nobody else is disturbed. */
export const HEAD_START_MS = 300;

export type HostListener = (event: KnockEvent, name: string) => void;

export interface FirstOpen {
  readonly winner: DoorResult | undefined;
  /** Those that failed or were given up, in the order of the hosts; the latter have no errors. */
  readonly others: readonly DoorResult[];
}

/** The first host that opens; the others are given up at once, and connections to them are closed. */
export async function firstOpen(
  founds: readonly FoundProfile[],
  options: DoorKnockOptions,
  deps: Deps,
  listener: HostListener,
): Promise<FirstOpen> {
  const won = new AbortController();
  let winner: DoorResult | undefined;
  let began = 0;
  const visits: Promise<DoorResult>[] = [];
  for (const found of founds) {
    if (won.signal.aborted) break;
    began += 1;
    const signal = won.signal;
    const going = knockAtDoor(found, { ...options, signal }, deps, (event) => listener(event, found.stored.name));
    const judged = going.then((came) => {
      if (came.openings.length === 0) return;
      if (winner === undefined) winner = came;
      else closeAll(came);
      won.abort();
    });
    visits.push(going);
    const failed = new AbortController();
    // A host that has failed, or won, needs no head start.
    judged.then(
      () => failed.abort(),
      () => failed.abort(),
    );
    if (began < founds.length) await deps.clock.sleep(HEAD_START_MS, AbortSignal.any([failed.signal, won.signal]));
  }
  const ends = await Promise.allSettled(visits);
  const thrown = ends.find((end) => end.status === 'rejected');
  if (thrown !== undefined && winner === undefined) throw thrown.reason;
  const others = ends.flatMap((end) => (end.status === 'fulfilled' && end.value !== winner ? [end.value] : []));
  return { winner, others };
}

/** Everything at once. Connections are closed. */
export async function allOpen(
  founds: readonly FoundProfile[],
  options: DoorKnockOptions,
  deps: Deps,
  listener: HostListener,
): Promise<readonly DoorResult[]> {
  const visits = await Promise.all(
    founds.map((found) => knockAtDoor(found, options, deps, (event) => listener(event, found.stored.name))),
  );
  for (const came of visits) closeAll(came);
  return visits;
}

export function closeAll({ openings }: Pick<DoorResult, 'openings'>): void {
  for (const { socket } of openings) socket?.destroy();
}
