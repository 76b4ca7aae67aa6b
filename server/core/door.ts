/**
 * A door as the pure core sees it: a name and a policy. What opens it (a firewall, a command) is the edges' business and
 * stands in server/config. All durations are milliseconds.
 */
import type { AddressKey } from '../../shared/address.ts';
import type { DerivationKey, Shape } from '../../shared/derive.ts';
import type { OtpMode } from '../../shared/moving-factor.ts';

export interface DoorPolicy {
  readonly name: string;
  readonly mode: OtpMode;
  readonly shape: Shape;
  readonly order: 'any' | 'strict';
  /** Seconds of a time step; TOTP. */
  readonly stepSeconds: number;
  /** Steps either way of the expected one that are accepted; TOTP. */
  readonly window: number;
  /** Counters beyond the next one that are accepted; HOTP. */
  readonly lookAhead: number;
  /** The longest that a whole sequence may take. */
  readonly seqTimeoutMs: number;
  /** How long a grant lasts (`cmd_timeout`). */
  readonly grantMs: number;
  /** Distinct stray pairs allowed in the run that completes a sequence. */
  readonly maxStrays: number;
  /** Packets to this address knock at the door instead of packets to this host's own addresses. */
  readonly target?: AddressKey;
}

/** One client's right to knock at one door. */
export interface Enrolment {
  readonly door: string;
  readonly client: string;
  /** Names the secret without revealing it: a new secret under an old name starts with clean factors. */
  readonly keyId: string;
  readonly key: DerivationKey;
}

/** What is durably known of an enrolment. */
export interface FactorState {
  /** The highest factor spent: a time step or a counter; -1 when none is. */
  readonly spent: number;
  /** TOTP: accepted step minus expected step, learned from successes, bounded. */
  readonly drift: number;
  /** Unix milliseconds of the last grant; undefined when never. */
  readonly lastUse?: number;
}

export const UNUSED: FactorState = { spent: -1, drift: 0 };
