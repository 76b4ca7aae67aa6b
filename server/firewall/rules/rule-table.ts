/**
 * What a backend of single rules has to be able to do: one rule lets one address in at one place (a port, a wrapped
 * service), and the backend can tell its own rules from the administrator's. Which doors want which rule, and that verbs
 * come one after the other, is rule-firewall's business.
 */
import type { AddressKey } from '../../../shared/address.ts';
import { KnockError } from '../../../shared/errors.ts';
import type { Service } from '../../../shared/formats/profile-uri.ts';
import type { ActionDoor, DoorAction } from '../firewall.ts';

export interface Rule {
  /** Where: `tcp/22`, or what else the table makes of a door's action. Two doors of the same place share its rules. */
  readonly place: string;
  readonly source: AddressKey;
}

export interface WantedRule extends Rule {
  /** A door that wants it, for those who read the firewall. */
  readonly door: string;
  /** Milliseconds until it should end, above 0. */
  readonly remainingMs: number;
}

export interface RuleTable {
  readonly kind: DoorAction['kind'];
  /** Whether a rule ends by itself at the end of its time, as long as the table is there. */
  readonly timed: boolean;
  /** Without repetition. @throws KnockError FIREWALL when the door is none for this table */
  placesOf(door: ActionDoor): readonly string[];
  /**
   * Makes the guard for these places where that is ours to make, otherwise checks it, and makes `wanted` the only rules of
   * ours: what an earlier run left is taken over or away. No door stands open between.
   */
  prepare(places: readonly string[], wanted: readonly WantedRule[]): Promise<void>;
  /** Adds the rule once; one that is there has the new end from now on. */
  add(rule: WantedRule): Promise<void>;
  /** Takes our rule away, once; that it is not there is no error. */
  remove(rule: Rule): Promise<void>;
  /** As Firewall.guardStands, but may reject. */
  stands(): Promise<boolean>;
  /** Takes away the guard, where it is ours. Called when all rules have been removed. */
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

/** Whole seconds, rounded up, at least 1, for tools that count in them; three weeks at most where they cannot count further. */
export function wholeSeconds(ms: number, atMost = 2_147_483): number {
  return Math.min(Math.max(1, Math.ceil(ms / 1000)), atMost);
}
