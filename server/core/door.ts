/**
 * A door as the pure core sees it: a name and a policy. What opens it (a firewall, a command) is the edges' business and
 * stands in server/config. All durations are milliseconds.
 */
import type { AddressKey } from '../../shared/address.ts';
import type { DerivationKey, Shape } from '../../shared/derive.ts';
import type { Pair } from '../../shared/knock.ts';
import type { OtpMode } from '../../shared/moving-factor.ts';

/** Which TCP packets knock: all flags of `set` are there and none of `clear`. Bits as in the TCP header, RFC 9293 3.1. */
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

/** SYN without ACK: a packet that opens a connection. Return traffic and established connections never are. */
export const OPENING_PACKETS: TcpFlagRule = { set: TCP_SYN, clear: TCP_ACK };

/** Where a door says nothing of flags, as in knockd: every TCP packet knocks, or is a stray. */
export const ANY_PACKET: TcpFlagRule = { set: 0, clear: 0 };

/** True when all packets of the rule are {@link OPENING_PACKETS}. */
export function isOpening({ set, clear }: TcpFlagRule): boolean {
  return (set & TCP_SYN) !== 0 && (clear & TCP_ACK) !== 0;
}

/** What every door has, wherever its sequences come from. */
export interface DoorTerms {
  readonly name: string;
  readonly order: 'any' | 'strict';
  /** The longest that a whole sequence may take. */
  readonly seqTimeoutMs: number;
  /** How long a grant lasts (`cmd_timeout`). */
  readonly grantMs: number;
  /** Distinct stray pairs allowed in the run that completes a sequence; an upper limit where the sequence allows fewer. */
  readonly maxStrays: number;
  /** Packets to this address knock at the door instead of packets to this host's own addresses. */
  readonly target?: AddressKey;
  /** Default {@link OPENING_PACKETS}. */
  readonly tcpFlags?: TcpFlagRule;
  /** What becomes of a one-time sequence that is knocked from two sources; default `first`. Of no meaning where static. */
  readonly contested?: 'first' | 'refuse';
  /** How long a source is ignored that made a wrong combination, see penalty; absent: not at all. */
  readonly penaltyMs?: number;
}

/** A door whose sequences are derived from its clients' secrets. */
export interface DoorPolicy extends DoorTerms {
  /** A knock has a second part, derived from the address that it comes from. */
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

/** A door whose sequences are written down: one that is never spent, or the lines of a file, each for one use. */
export interface ListedDoor extends DoorTerms {
  readonly mode: 'static' | 'file';
  /** Unspent lines that are live at a time, at least 1; for a static door there is one sequence. */
  readonly lookAhead: number;
}

export type Door = DoorPolicy | ListedDoor;

export function isDerived(door: Door): door is DoorPolicy {
  return door.mode === 'totp' || door.mode === 'hotp';
}

/** One written-down sequence. */
export interface ListedLine {
  /** Names the line for as long as the daemon runs, also when lines before it are added or struck. */
  readonly id: number;
  readonly pairs: readonly Pair[];
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
