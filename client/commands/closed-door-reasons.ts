/** Adds to the errors of a door that stayed closed what can be found out from here. Loads the checks only when a knock failed. */
import type { Deps } from '../deps.ts';
import type { FoundProfile } from '../factors/found-profile.ts';
import type { DoorResult } from '../knock/door-result.ts';
import type { KnockEvent } from '../knock/knock-events.ts';

/** Where the door stayed closed: the same, with what could be found out about it. Loads nothing where it opened. */
export async function withReasons(
  came: DoorResult,
  found: FoundProfile,
  isProxy: boolean,
  deps: Deps,
  listener: (event: KnockEvent) => void,
): Promise<DoorResult> {
  // Another run's knock is another run's to explain.
  if (came.knockedAt.length === 0 || !came.errors.some(({ code }) => code === 'DOOR_CLOSED')) return came;
  listener({ kind: 'looking' });
  const { explainClosedDoor } = await import('../doctor/why-closed.ts');
  return await explainClosedDoor(came, found.ledger, isProxy, deps);
}
