/**
 * The types of doors, clients and factor states as the pure core uses them. A door is a name and a policy;
 * `server/config` knows what opens it (a firewall, a command). All durations are milliseconds.
 */
import type { AddressKey } from '../../shared/address.ts';
import type { DerivationKey, Shape } from '../../shared/derive.ts';
import type { Pair } from '../../shared/knock.ts';
import type { OtpMode } from '../../shared/moving-factor.ts';

/**
 * Which TCP packets knock: those with all flags of `set` and none of `clear`. Bits as in the TCP header, RFC 9293 3.1.
 */
export interface TcpFlagRule {
  readonly set: number;
  readonly clear: number;
}

export const TCP_SYN = 0x02;
export const TCP_ACK = 0x10;

/** knockd's names of flags, in its order. */
export const tcpFlagBits: ReadonlyMap<string, number> = new Map([
  ['fin', 0x01],
  ['syn', TCP_SYN],
  ['rst', 0x04],
  ['psh', 0x08],
  ['ack', TCP_ACK],
  ['urg', 0x20],
]);

/** SYN without ACK: a packet that opens a connection. Return traffic and established connections never match. */
export const OPENING_PACKETS: TcpFlagRule = { set: TCP_SYN, clear: TCP_ACK };

/** The rule of a door without flags, as in knockd: every TCP packet is a knock or a stray. */
export const ANY_PACKET: TcpFlagRule = { set: 0, clear: 0 };

/** True when the rule matches nothing but {@link OPENING_PACKETS}. */
export function isOpening({ set, clear }: TcpFlagRule): boolean {
  return (set & TCP_SYN) !== 0 && (clear & TCP_ACK) !== 0;
}

/** The policy that every door has, derived or listed. */
export interface DoorTerms {
  readonly name: string;
  readonly order: 'any' | 'strict';
  /** The longest time from the first to the last knock. */
  readonly seqTimeoutMs: number;
  /** How long a grant lasts (`cmd_timeout`). */
  readonly grantMs: number;
  /** Distinct stray pairs allowed in the run that completes a sequence; a sequence may allow fewer. */
  readonly maxStrays: number;
  /** If set, packets to this address knock, not packets to this host's own addresses. */
  readonly target?: AddressKey;
  /** Default {@link OPENING_PACKETS}. */
  readonly tcpFlags?: TcpFlagRule;
  /** What happens to a one-time sequence that two sources knock; default `first`. Ignored for static doors. */
  readonly contested?: 'first' | 'refuse';
  /** How long a source is ignored after a wrong combination, see `matching/penalty.ts`; absent: never. */
  readonly penaltyMs?: number;
}

/** A door whose sequences are derived from its clients' secrets. */
export interface DoorPolicy extends DoorTerms {
  /** A knock has a second part, derived from the source address. */
  readonly bindsSource?: boolean;
  readonly mode: OtpMode;
  readonly shape: Shape;
  /** Seconds of a time step; TOTP. */
  readonly stepSeconds: number;
  /** Steps either way of the expected one that are accepted; TOTP. */
  readonly window: number;
  /** Counters beyond the next one that are accepted; HOTP. */
  readonly lookAhead: number;
}

/** A door with written-down sequences: one that is never spent (static), or the lines of a file, each used once. */
export interface ListedDoor extends DoorTerms {
  readonly mode: 'static' | 'file';
  /** Unspent lines that are live at the same time, at least 1. A static door has one sequence. */
  readonly lookAhead: number;
}

export type Door = DoorPolicy | ListedDoor;

export function isDerived(door: Door): door is DoorPolicy {
  return door.mode === 'totp' || door.mode === 'hotp';
}

/** One written-down sequence. */
export interface ListedLine {
  /** Identifies the line while the daemon runs, even when earlier lines are added or struck. */
  readonly id: number;
  readonly pairs: readonly Pair[];
}

/** One client's right to knock at one door. */
export interface Enrolment {
  readonly door: string;
  readonly client: string;
  /** Identifies the secret without revealing it. A new secret for the same client starts with unused factors. */
  readonly keyId: string;
  readonly key: DerivationKey;
}

/** The durable state of an enrolment. */
export interface FactorState {
  /** The highest spent factor, a time step or a counter; -1 for none. */
  readonly spent: number;
  /** TOTP: accepted step minus expected step, learned from successes, bounded. */
  readonly drift: number;
  /** Unix milliseconds of the last grant; undefined when never. */
  readonly lastUse?: number;
}

export const UNUSED: FactorState = { spent: -1, drift: 0 };
