/** Makes the core's door policies from configured doors: adds how many strays each door forgives. */
import { MAX_STRAYS } from '../../shared/odds.ts';
import type { Door, Enrolment } from '../core/door.ts';
import type { ConfiguredDoor, DerivedDoor } from './config.ts';
import { roundedClients } from './stray-budget.ts';

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
    return { ...door.policy, maxStrays: maxStraysOf(door, roundedClients(clients)) };
  });
}
