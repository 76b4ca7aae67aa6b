/**
 * Who may knock where, while the daemon runs: puts clients into the engine with what the store knows of them, takes the
 * revoked ones out with what they have open, and keeps the doors' policies right for their number. Synchronous: between a
 * removal and the addition that goes with it no packet comes.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../../clock/clock.ts';
import type { ConfiguredDoor } from '../../config/config.ts';
import { policiesOf, type StrayRule } from '../../config/door-policies.ts';
import { type Enrolment, UNUSED } from '../../core/door.ts';
import type { Engine } from '../../core/engine.ts';
import type { Log } from '../../log/log.ts';
import type { FactorOwner, StoredState } from '../../store/store.ts';
import type { Admissions } from '../admissions.ts';

export interface EnrolledClientsDeps {
  readonly engine: Engine;
  readonly admissions: Admissions;
  readonly clock: Clock;
  readonly log: Log;
  readonly maxStraysOf: StrayRule;
  /** As they are configured now. */
  readonly doors: () => readonly ConfiguredDoor[];
}

export interface ClientChange {
  readonly added: number;
  readonly removed: number;
}

export class EnrolledClients {
  readonly #deps: EnrolledClientsDeps;

  constructor(deps: EnrolledClientsDeps) {
    this.#deps = deps;
  }

  enrol(enrolments: readonly Enrolment[], { factors }: StoredState): void {
    const known = new Map(factors.map((state) => [ownerKey(state), state]));
    for (const enrolment of enrolments) this.#deps.engine.enrol(enrolment, known.get(ownerKey(enrolment)) ?? UNUSED);
  }

  /** Makes `wanted` those who may knock. `stored` must have been loaded after the last change of the store. */
  change(wanted: readonly Enrolment[], stored: StoredState): ClientChange {
    const { engine, admissions, log } = this.#deps;
    const present = engine.enrolments().map(({ enrolment }) => enrolment);
    const wantedKeys = new Set(wanted.map(ownerKey));
    const presentKeys = new Set(present.map(ownerKey));
    const removed = present.filter((enrolment) => !wantedKeys.has(ownerKey(enrolment)));
    const added = wanted.filter((enrolment) => !presentKeys.has(ownerKey(enrolment)));
    for (const { door, client } of removed) {
      engine.revoke(door, client);
      admissions.closings.closeNow(engine.grants.all.filter((grant) => grant.door === door && grant.client === client));
      log.info('revoked', { door, client });
    }
    this.setPolicies(wanted);
    this.enrol(added, stored);
    for (const enrolment of added) {
      log.info('enrolled', { door: enrolment.door, client: enrolment.client });
    }
    return { added: added.length, removed: removed.length };
  }

  /** The policies of the doors as configured, for these clients; a door whose policy is what it was keeps its knocks. */
  setPolicies(enrolments: readonly Enrolment[]): void {
    const { engine, clock, doors, maxStraysOf } = this.#deps;
    for (const policy of policiesOf(doors(), enrolments, maxStraysOf)) {
      if (!isDeepStrictEqual(policy, engine.door(policy.name))) engine.setDoor(policy, clock.now().monoMs);
    }
  }
}

/** Pairwise comparison of ten thousand clients would stall the daemon for seconds. A NUL stands in no name. */
function ownerKey({ door, client, keyId }: FactorOwner): string {
  return `${door}\0${client}\0${keyId}`;
}
