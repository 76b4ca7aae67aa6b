/**
 * The firewall edge: the verbs that every backend has, run by one contract suite (test/contract). A backend knows how
 * one kind of door opens; which sources are let in, until when, and that each is closed once, is the grants' business.
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
      /** Nothing is guarded: the knock starts a service, whose ports these are. */
      readonly kind: 'service';
      readonly services: readonly Service[];
    }
  | {
      readonly kind: 'hosts.allow';
      /** A daemon's name as TCP Wrappers knows it. */
      readonly service: string;
      /** Default /etc/hosts.allow. */
      readonly file?: string;
    }
  | {
      readonly kind: 'command';
      /** As configured, with %IP%; split into arguments without a shell unless `shell` says so. */
      readonly start: string;
      /** Without it there is nothing to close, and nothing is held: every opening runs `start`, see {@link commandsFor}. */
      readonly stop?: string;
      /** What runs for IPv6 sources in their place; absent: the same. The empty text: nothing. */
      readonly start6?: string;
      readonly stop6?: string;
      /** The commands are /bin/sh's to read. */
      readonly shell?: boolean;
      /** The user whose rights they run with; absent: the daemon's. */
      readonly runAs?: string;
      /** How long each command may take; absent: 10 s. */
      readonly timeoutMs?: number;
    };

export type CommandAction = Extract<DoorAction, { readonly kind: 'command' }>;

/** The commands for one source, undefined where nothing runs. As in knockd, what was not started is not stopped. */
export function commandsFor(
  { start, stop, start6, stop6 }: CommandAction,
  source: AddressKey,
): { readonly start: string | undefined; readonly stop: string | undefined } {
  const opening = isIpv4(source) ? start : (start6 ?? start);
  const closing = isIpv4(source) ? stop : (stop6 ?? stop);
  if (opening === '') return { start: undefined, stop: undefined };
  return { start: opening, stop: closing === '' ? undefined : closing };
}

/** Whether an opening for this source has to be closed by us: kept as a grant, journaled, and ended once. */
export function hasClose(action: DoorAction, source: AddressKey): boolean {
  return action.kind !== 'command' || commandsFor(action, source).stop !== undefined;
}

/** Whether there is any source for which {@link hasClose}. */
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
  /** Milliseconds until it ends by itself where the backend can do that. */
  readonly remainingMs: number;
}

/** Every verb rejects with KnockError FIREWALL or COMMAND; after a rejection the source is not let in. */
export interface Firewall {
  /**
   * Whether openings of such a door survive the end of the daemon (what a start command did) or are rebuilt by `prepare`
   * and end by themselves (nftables sets).
   */
  openingsPersist(action: DoorAction): boolean;
  /**
   * Makes `doors` closed to everyone but `openings`, in one step: there is no moment when a door stands open between. At
   * doors that open once, openings that were used, or of which nobody knows, are left out: see {@link usedUp}.
   */
  prepare(doors: readonly ActionDoor[], openings: readonly Opening[]): Promise<void>;
  /** Lets the source in for `durationMs` from now; on a source that is in already, that is the new end. */
  open(door: ActionDoor, source: AddressKey, durationMs: number): Promise<void>;
  /** Lets no new connection of the source in; established ones live on. A source that is not in is no error. */
  close(door: ActionDoor, source: AddressKey): Promise<void>;
  /** What the backend holds to be open now, where it can tell. */
  list(): Promise<readonly Opening[]>;
  /** Openings that let one connection in and have done so, or were left out by `prepare`; until they are closed. */
  usedUp?(): Promise<readonly Place[]>;
  /**
   * Whether what `prepare` built is still there, whole: false when somebody flushed the ruleset, say, which leaves the
   * doors open to everyone until `prepare` is called again. Cheap enough to ask every second. Never rejects: a backend
   * that cannot tell says false, and `prepare` then says why.
   */
  guardStands(): Promise<boolean>;
  /** Ends all openings and removes everything of ours, guards too: what a guard hid is then open. Not for a restart. */
  release(): Promise<void>;
}

export type ActionKind = DoorAction['kind'];
