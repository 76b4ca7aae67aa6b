/** Adds findings to the errors of a door that stayed closed. Loads the checks only when a knock has failed. */
import type { Deps } from '../deps.ts';
import type { FoundProfile } from '../factors/found-profile.ts';
import type { DoorResult } from '../knock/door-result.ts';
import type { KnockEvent } from '../knock/knock-events.ts';

/** The same result with findings; unchanged when the door opened or this run did not knock. */
export async function withReasons(
  result: DoorResult,
  found: FoundProfile,
  isProxy: boolean,
  deps: Deps,
  listener: (event: KnockEvent) => void,
): Promise<DoorResult> {
  // A run that did not knock has nothing to explain: the other run reports its own findings.
  if (result.knockedAt.length === 0 || !result.errors.some(({ code }) => code === 'DOOR_CLOSED')) return result;
  listener({ kind: 'looking' });
  const { explainClosedDoor } = await import('../doctor/why-closed.ts');
  return await explainClosedDoor(result, found.ledger, isProxy, deps);
}
