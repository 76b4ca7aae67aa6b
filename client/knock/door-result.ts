/** What a knock at the door of one profile is asked for, and what comes of it. */
import type { KnockError } from '../../shared/errors.ts';
import type { SourceOptions } from '../address/source-options.ts';
import type { Address } from '../deps.ts';
import type { StoredProfile } from '../profiles/profile-store.ts';
import type { Families, Opening } from './knock-request.ts';

export interface DoorKnockOptions extends SourceOptions {
  readonly families: Families;
  /** The port that the caller will connect to; it is the one to verify. */
  readonly proxyPort?: number | undefined;
  /** A port to try, false for none, undefined for the profile's own. */
  readonly verify?: number | false | undefined;
  /** Milliseconds between two knocks. */
  readonly delay?: number | undefined;
  /** Seconds. */
  readonly timeout?: number | undefined;
  /** Knock although the door stands open: its time begins anew. */
  readonly again?: boolean | undefined;
  readonly signal?: AbortSignal;
}

export interface DoorResult {
  readonly stored: StoredProfile;
  /** Undefined when nothing could be verified. */
  readonly verifyPort: number | undefined;
  readonly openings: readonly Opening[];
  readonly errors: readonly KnockError[];
  /** Addresses that could be knocked at, and those that were, in the order of trying. */
  readonly resolved: readonly Address[];
  readonly knockedAt: readonly Address[];
}
