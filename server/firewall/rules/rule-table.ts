/**
 * The interface of a rule table, a firewall that is changed by single rules: one rule lets one address in at one place
 * (a port, a wrapped service), and the table can tell its own rules from the administrator's. `rule-firewall.ts`
 * decides which rules are needed and calls one verb at a time.
 */
import type { AddressKey } from '../../../shared/address.ts';
import { KnockError } from '../../../shared/errors.ts';
import type { Service } from '../../../shared/formats/profile-uri.ts';
import type { ActionDoor, DoorAction } from '../firewall.ts';

export interface Rule {
  /**
   * `tcp/22`, or another text that the table makes from a door's action. Two doors of the same place share its rules.
   */
  readonly place: string;
  readonly source: AddressKey;
}

export interface WantedRule extends Rule {
  /** A door that needs the rule, as information for readers of the firewall. */
  readonly door: string;
  /** Milliseconds until the rule should end, above 0. */
  readonly remainingMs: number;
}

export interface RuleTable {
  readonly kind: DoorAction['kind'];
  /** Whether a rule ends by itself at the end of its time. */
  readonly timed: boolean;
  /** The door's places, each once. @throws KnockError FIREWALL when the table cannot open such a door */
  placesOf(door: ActionDoor): readonly string[];
  /**
   * Makes the guard for these places, or checks it where the administrator makes it. Then makes `wanted` our only
   * rules: takes over or removes rules of an earlier run. No door is open in between.
   */
  prepare(places: readonly string[], wanted: readonly WantedRule[]): Promise<void>;
  /** Adds the rule once; an existing rule gets the new end. */
  add(rule: WantedRule): Promise<void>;
  /** Removes our rule once; a missing rule is no error. */
  remove(rule: Rule): Promise<void>;
  /** As Firewall.guardStands, but may reject. */
  stands(): Promise<boolean>;
  /** Removes the guard, where it is ours. Called after all rules have been removed. */
  release(): Promise<void>;
}

/** The places of a door that opens ports: `tcp/22`. @throws KnockError FIREWALL */
export function servicePlaces(kind: DoorAction['kind'], { name, action }: ActionDoor): readonly string[] {
  if (action.kind !== kind || !('services' in action)) {
    throw new KnockError('FIREWALL', `door "${name}" opens by ${action.kind}, not by ${kind}`);
  }
  const { services } = action;
  if (services.length === 0) throw new KnockError('FIREWALL', `door "${name}" has no service to open`);
  for (const { protocol, port } of services) {
    const fits = (protocol === 'tcp' || protocol === 'udp') && Number.isInteger(port) && port >= 1 && port <= 65_535;
    if (!fits) throw new KnockError('FIREWALL', `door "${name}" has a service that is no port of tcp or udp`);
  }
  return [...new Set(services.map(({ protocol, port }) => `${protocol}/${port}`))];
}

/** The service that a place of `servicePlaces` stands for. */
export function serviceOf(place: string): Service {
  const [protocol, port] = place.split('/');
  return { protocol: protocol === 'udp' ? 'udp' : 'tcp', port: Number(port) };
}

export function ruleKey({ place, source }: Rule): string {
  return `${place}\0${source}`;
}

/** Whole seconds, rounded up, from 1 to `atMost`: by default three weeks, the limit of ipset and others. */
export function wholeSeconds(ms: number, atMost = 2_147_483): number {
  return Math.min(Math.max(1, Math.ceil(ms / 1000)), atMost);
}
