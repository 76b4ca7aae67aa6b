/** The options and the result of knocking at the door of one profile. */
import type { KnockError } from '../../shared/errors.ts';
import type { SourceOptions } from '../address/source-options.ts';
import type { Address } from '../deps.ts';
import type { StoredProfile } from '../profiles/profile-store.ts';
import type { Families, Opening } from './knock-request.ts';

export interface DoorKnockOptions extends SourceOptions {
  readonly families: Families;
  /** The port that the caller will connect to; this port is verified. */
  readonly proxyPort?: number | undefined;
  /** The port to verify, false for none, undefined for the profile's own. */
  readonly verify?: number | false | undefined;
  /** Milliseconds between two knocks. */
  readonly delay?: number | undefined;
  /** Seconds. */
  readonly timeout?: number | undefined;
  /** Knock although the door is open: its time starts again. */
  readonly again?: boolean | undefined;
  readonly signal?: AbortSignal;
}

export interface DoorResult {
  readonly stored: StoredProfile;
  /** Undefined when nothing is verified. */
  readonly verifyPort: number | undefined;
  readonly openings: readonly Opening[];
  readonly errors: readonly KnockError[];
  /** The addresses that have a route, and those that were knocked at, in order. */
  readonly resolved: readonly Address[];
  readonly knockedAt: readonly Address[];
}
