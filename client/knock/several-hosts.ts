/**
 * Knocks at several hosts. `firstOpen` wants one of them: each host gets a short head start over the next one, as RFC
 * 8305 does for addresses, because each knock spends a factor and most of the time the first host opens. `allOpen`
 * wants all of them and knocks at them in parallel.
 */
import type { Deps } from '../deps.ts';
import type { FoundProfile } from '../factors/found-profile.ts';
import type { DoorKnockOptions, DoorResult } from './door-result.ts';
import { knockAtDoor } from './knock-at-door.ts';
import type { KnockEvent } from './knock-events.ts';

/** A knock usually opens after two round trips and a command on the server; then no other host is knocked at. */
export const HEAD_START_MS = 300;

export type HostListener = (event: KnockEvent, name: string) => void;

export interface FirstOpen {
  readonly winner: DoorResult | undefined;
  /** Hosts that failed or were given up, in their order; those that were given up have no errors. */
  readonly others: readonly DoorResult[];
}

/** Returns the first host that opens; gives the others up at once and closes connections to them. */
export async function firstOpen(
  profiles: readonly FoundProfile[],
  options: DoorKnockOptions,
  deps: Deps,
  listener: HostListener,
): Promise<FirstOpen> {
  const won = new AbortController();
  let winner: DoorResult | undefined;
  let started = 0;
  const knocks: Promise<DoorResult>[] = [];
  for (const profile of profiles) {
    if (won.signal.aborted) break;
    started += 1;
    const signal = won.signal;
    const knock = knockAtDoor(profile, { ...options, signal }, deps, (event) => listener(event, profile.stored.name));
    const settled = knock.then((result) => {
      if (result.openings.length === 0) return;
      if (winner === undefined) winner = result;
      else closeAll(result);
      won.abort();
    });
    knocks.push(knock);
    const ended = new AbortController();
    // A host that has failed, or won, needs no head start.
    settled.then(
      () => ended.abort(),
      () => ended.abort(),
    );
    if (started < profiles.length) await deps.clock.sleep(HEAD_START_MS, AbortSignal.any([ended.signal, won.signal]));
  }
  const outcomes = await Promise.allSettled(knocks);
  const thrown = outcomes.find((each) => each.status === 'rejected');
  if (thrown !== undefined && winner === undefined) throw thrown.reason;
  const others = outcomes.flatMap((each) => (each.status === 'fulfilled' && each.value !== winner ? [each.value] : []));
  return { winner, others };
}

/** Knocks at all hosts in parallel, and closes the connections. */
export async function allOpen(
  profiles: readonly FoundProfile[],
  options: DoorKnockOptions,
  deps: Deps,
  listener: HostListener,
): Promise<readonly DoorResult[]> {
  const results = await Promise.all(
    profiles.map((profile) => knockAtDoor(profile, options, deps, (event) => listener(event, profile.stored.name))),
  );
  for (const result of results) closeAll(result);
  return results;
}

export function closeAll({ openings }: Pick<DoorResult, 'openings'>): void {
  for (const { socket } of openings) socket?.destroy();
}
