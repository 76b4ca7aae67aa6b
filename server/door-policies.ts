/** From configured doors to the policies that the core decides by: what is left to add is how many strays are forgiven. */
import { MAX_STRAYS } from '../shared/odds.ts';
import type { ConfiguredDoor, DerivedDoor } from './config/config.ts';
import type { Door, Enrolment } from './core/door.ts';

/** The stray budget of a door for a number of enrolled clients. */
export type StrayRule = (door: DerivedDoor, clients: number) => number;

export function policiesOf(
  doors: readonly ConfiguredDoor[],
  enrolments: readonly Enrolment[],
  maxStraysOf: StrayRule,
): readonly Door[] {
  return doors.map((door) => {
    if (door.kind !== 'derived') return { ...door.policy, maxStrays: door.maxStraysLimit ?? MAX_STRAYS };
    const clients = enrolments.filter((enrolment) => enrolment.door === door.name).length;
    // Rounded up to a power of two: a client more or less seldom changes the budget, and so seldom voids a knock.
    const rounded = clients === 0 ? 1 : 2 ** Math.ceil(Math.log2(clients));
    return { ...door.policy, maxStrays: maxStraysOf(door, rounded) };
  });
}
