/**
 * The firewall interface: what a door does when it opens, and the verbs that every backend has. One contract suite
 * tests all backends (test/contract/firewall). `server/core/grants.ts` decides which sources are let in, and until
 * when.
 */
import { type AddressKey, isIpv4 } from '../../shared/address.ts';
import type { Service } from '../../shared/formats/profile-uri.ts';

/** Firewalls that open a service's port for an address. */
export const SERVICE_KINDS = ['nftables', 'iptables', 'ufw', 'firewalld', 'ipfw', 'pf'] as const;
export type ServiceKind = (typeof SERVICE_KINDS)[number];

/** What a door does when it opens. */
export type DoorAction =
  | {
      readonly kind: ServiceKind;
      readonly services: readonly Service[];
      /** A grant admits one new connection; nftables alone can do that. */
      readonly once?: boolean;
    }
  | {
      /** No port is guarded: the knock starts a service, and these are its ports. */
      readonly kind: 'service';
      readonly services: readonly Service[];
    }
  | {
      readonly kind: 'hosts.allow';
      /** The daemon's name for TCP Wrappers. */
      readonly service: string;
      /** Default /etc/hosts.allow. */
      readonly file?: string;
    }
  | {
      readonly kind: 'command';
      /** As configured, with %IP%. Split into arguments without a shell unless `shell` is set. */
      readonly start: string;
      /** Absent: nothing is closed or held, and every opening runs `start`; see {@link commandsFor}. */
      readonly stop?: string;
      /** Replace `start` and `stop` for IPv6 sources. Absent: the same command. Empty: no command. */
      readonly start6?: string;
      readonly stop6?: string;
      /** /bin/sh runs the commands. */
      readonly shell?: boolean;
      /** The user that the commands run as; absent: the daemon's user. */
      readonly runAs?: string;
      /** How long each command may take; absent: 10 s. */
      readonly timeoutMs?: number;
    };

export type CommandAction = Extract<DoorAction, { readonly kind: 'command' }>;

/**
 * The commands for one source; undefined where none runs. As in knockd, without a start command no stop command runs.
 */
export function commandsFor(
  { start, stop, start6, stop6 }: CommandAction,
  source: AddressKey,
): { readonly start: string | undefined; readonly stop: string | undefined } {
  const opening = isIpv4(source) ? start : (start6 ?? start);
  const closing = isIpv4(source) ? stop : (stop6 ?? stop);
  if (opening === '') return { start: undefined, stop: undefined };
  return { start: opening, stop: closing === '' ? undefined : closing };
}

/**
 * Whether the daemon has to close an opening for this source: such an opening is a grant, journaled, and ended once.
 */
export function hasClose(action: DoorAction, source: AddressKey): boolean {
  return action.kind !== 'command' || commandsFor(action, source).stop !== undefined;
}

/** Whether {@link hasClose} holds for any source. */
export function hasAnyClose(action: DoorAction): boolean {
  if (action.kind !== 'command') return true;
  const { start, stop, start6 = start, stop6 = stop } = action;
  return (start !== '' && !!stop) || (start6 !== '' && !!stop6);
}

/** The ports of this host that the door opens, where its action names ports. */
export function servicesOf(action: DoorAction): readonly Service[] {
  return 'services' in action ? action.services : [];
}

export interface ActionDoor {
  readonly name: string;
  readonly action: DoorAction;
}

/** Whether a grant of the door is for one connection. */
export function opensOnce(action: DoorAction): boolean {
  return 'once' in action && action.once === true;
}

export interface Place {
  readonly door: string;
  readonly source: AddressKey;
}

export interface Opening extends Place {
  /** Milliseconds until the opening ends, by itself where the backend can do that. */
  readonly remainingMs: number;
}

/** Every verb rejects with KnockError FIREWALL or COMMAND; after a rejection the source is not let in. */
export interface Firewall {
  /**
   * Whether openings of such a door survive the end of the daemon (the effect of a start command). Otherwise `prepare`
   * rebuilds them, and they end by themselves (nftables sets).
   */
  openingsPersist(action: DoorAction): boolean;
  /**
   * Closes `doors` to everyone but `openings`, in one step: no door is open in between. At doors that open once, it
   * leaves out openings that were used or may have been used: see {@link usedUp}.
   */
  prepare(doors: readonly ActionDoor[], openings: readonly Opening[]): Promise<void>;
  /** Lets the source in for `durationMs` from now. A source that is already in gets this new end. */
  open(door: ActionDoor, source: AddressKey, durationMs: number): Promise<void>;
  /** Lets no new connection of the source in; established ones live on. Closing a source that is not in is no error. */
  close(door: ActionDoor, source: AddressKey): Promise<void>;
  /** The openings that the backend has now, where it can tell. */
  list(): Promise<readonly Opening[]>;
  /** Once-only openings that are used, or that `prepare` left out; listed until they are closed. */
  usedUp?(): Promise<readonly Place[]>;
  /**
   * Whether everything that `prepare` built is still in place. False for example after a flush of the ruleset, which
   * leaves the doors open to everyone until the next `prepare`. Cheap enough to call every second. Never rejects: a
   * backend that cannot tell answers false, and the next `prepare` rejects with the reason.
   */
  guardStands(): Promise<boolean>;
  /**
   * Ends all openings and removes everything of ours, guards too: the guarded ports are then open. Not for a restart.
   */
  release(): Promise<void>;
}

export type ActionKind = DoorAction['kind'];
