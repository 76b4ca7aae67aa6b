/** What a run of knocks is asked for, and what it finds: the vocabulary between knock-run.ts and those who ask. */
import type { Socket } from 'node:net';
import type { Secret } from '../../shared/secret.ts';
import type { SourceOptions } from '../address/source-options.ts';
import type { Address } from '../deps.ts';
import type { DoorMemory } from '../factors/last-success.ts';
import type { PublicProfile } from '../profiles/public-profile.ts';
import type { DoorLeases } from './door-lease.ts';

/** One address family, whichever the resolver prefers, or one after the other with a factor each. */
export type Families = 'any' | 4 | 6 | 'both';

export interface KnockRequest {
  readonly profile: PublicProfile;
  /** Asked for once, when a knock is needed: somebody may have to type a passphrase. */
  readonly secret: () => Promise<Secret>;
  /** What the user typed, for messages. */
  readonly name: string;
  /** Name or address to knock at. */
  readonly target: string;
  readonly families: Families;
  /** The TCP port that shows that the door is open; undefined to send without looking. */
  readonly verifyPort: number | undefined;
  /** Milliseconds between two knocks; undefined for what the door's order asks for. */
  readonly gapMs?: number | undefined;
  /** What the user says of the address that the server sees; for doors that bind to it. */
  readonly source?: SourceOptions | undefined;
  /** For everything together, waiting included. */
  readonly timeoutMs: number;
  /** What other runs at this door have seen and do; undefined to knock without looking at them. */
  readonly otherRuns?: OtherRuns | undefined;
  /** Ends the run at once, where another host has won. */
  readonly signal?: AbortSignal | undefined;
}

export interface OtherRuns {
  readonly memory: DoorMemory;
  readonly leases: DoorLeases;
  /** Whether a door that stands open is taken as it is; false for one that opens for one connection. */
  readonly mayShare: boolean;
}

export interface Opening {
  readonly address: Address;
  /** Undefined when the door stood open and nothing was spent. */
  readonly factor: number | undefined;
  readonly elapsedMs: number;
  /** The connection that proved that the door is open; the caller owns it. Undefined when nothing was verified. */
  readonly socket: Socket | undefined;
}
