/**
 * The firewall edge: the verbs that every backend has, run by one contract suite (test/contract). A backend knows how
 * one kind of door opens; which sources are let in, until when, and that each is closed once, is the grants' business.
 */
import type { AddressKey } from '../../shared/address.ts';
import type { Service } from '../../shared/profile-uri.ts';

/** What a door does when it opens. */
export type DoorAction =
  | { readonly kind: 'nftables'; readonly services: readonly Service[] }
  | {
      readonly kind: 'command';
      /** As configured, with %IP%; split into arguments without a shell. */
      readonly start: string;
      readonly stop?: string;
    };

export interface ActionDoor {
  readonly name: string;
  readonly action: DoorAction;
}

export interface Opening {
  readonly door: string;
  readonly source: AddressKey;
  /** Milliseconds until it ends by itself where the backend can do that. */
  readonly remainingMs: number;
}

/** Every verb rejects with KnockError FIREWALL or COMMAND; after a rejection the source is not let in. */
export interface Firewall {
  /** Whether openings survive the end of the daemon (a started command does) or are rebuilt by `prepare` (nftables sets). */
  readonly openingsPersist: boolean;
  /** Makes `doors` closed to everyone but `openings`, in one step: there is no moment when a door stands open between. */
  prepare(doors: readonly ActionDoor[], openings: readonly Opening[]): Promise<void>;
  /** Lets the source in for `durationMs` from now; on a source that is in already, that is the new end. */
  open(door: ActionDoor, source: AddressKey, durationMs: number): Promise<void>;
  /** Lets no new connection of the source in; established ones live on. A source that is not in is no error. */
  close(door: ActionDoor, source: AddressKey): Promise<void>;
  /** What the backend holds to be open now, where it can tell. */
  list(): Promise<readonly Opening[]>;
  /** Removes everything of ours: guards too. */
  release(): Promise<void>;
}
