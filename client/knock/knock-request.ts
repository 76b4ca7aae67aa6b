/** The request of a run of knocks and its result, as types that knock-run.ts and its callers share. */
import type { Socket } from 'node:net';
import type { Secret } from '../../shared/secret.ts';
import type { SourceOptions } from '../address/source-options.ts';
import type { Address } from '../deps.ts';
import type { DoorMemory } from '../factors/last-success.ts';
import type { PublicProfile } from '../profiles/public-profile.ts';
import type { DoorLeases } from './door-lease.ts';

/** One address family, the one that the resolver prefers, or both one after the other with a factor each. */
export type Families = 'any' | 4 | 6 | 'both';

export interface KnockRequest {
  readonly profile: PublicProfile;
  /** Called once, when a knock is needed, because the user may have to type a passphrase. */
  readonly secret: () => Promise<Secret>;
  /** What the user typed, for messages. */
  readonly name: string;
  /** Name or address to knock at. */
  readonly target: string;
  readonly families: Families;
  /** The TCP port that shows that the door is open; undefined to send without verification. */
  readonly verifyPort: number | undefined;
  /** Milliseconds between two knocks; undefined for the default of the door's order. */
  readonly gapMs?: number | undefined;
  /** The address that the server sees, as the user gives it; for doors that bind a knock to its source. */
  readonly source?: SourceOptions | undefined;
  /** For the whole run, waiting included. */
  readonly timeoutMs: number;
  /** Other runs at this door; undefined to ignore them. */
  readonly otherRuns?: OtherRuns | undefined;
  /** Ends the run at once, when another host has opened. */
  readonly signal?: AbortSignal | undefined;
}

export interface OtherRuns {
  readonly memory: DoorMemory;
  readonly leases: DoorLeases;
  /** Whether an open door is used as it is; false for a door that lets in one connection for each knock. */
  readonly mayShare: boolean;
}

export interface Opening {
  readonly address: Address;
  /** Undefined when the door was already open and nothing was spent. */
  readonly factor: number | undefined;
  readonly elapsedMs: number;
  /** The connection that proved that the door is open; the caller owns it. Undefined when nothing was verified. */
  readonly socket: Socket | undefined;
}
