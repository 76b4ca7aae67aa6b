/**
 * The Capture interface: packets go in to the daemon, and the state of each interface with them. Three implementations:
 * `kernel/` (nftables chooses packets), `pcap/` (libpcap in a child process) and `listen/` (listening sockets).
 */
import type { AddressKey } from '../../shared/address.ts';
import type { Pair } from '../../shared/knock.ts';

/**
 * Called for each packet in the {@link CaptureScope}: first fragments only, any destination. `atMs` is CLOCK_MONOTONIC in
 * milliseconds, which has one origin for all processes. `flags` is the byte of TCP flags (RFC 9293 3.1), 0 for UDP.
 * Arguments are positional and the call is synchronous, so that no packet costs an allocation.
 */
export type ArrivalListener = (
  atMs: number,
  source: AddressKey,
  destination: AddressKey,
  pair: Pair,
  flags: number,
) => void;

/**
 * Called when packets were lost between earlier and later arrivals. Attempts in progress were not seen whole, so they must
 * not complete. `packets` is the number of lost packets, 0 when unknown.
 */
export type LossListener = (packets: number) => void;

/** Which packets the doors need, all doors together. */
export interface CaptureScope {
  /** Whether UDP datagrams are captured too. */
  readonly udp: boolean;
  /** `opening`: SYN without ACK. `any`: every TCP packet, established connections included, which is much more load. */
  readonly tcp: 'opening' | 'any';
}

export type CaptureState =
  | 'starting' // the child has not reported yet that it captures
  | 'listening' // the device is open and the child's heartbeat is fresh
  | 'deaf'; // the device is missing, down, or the child does not answer; the daemon retries

/** Begins `privileges` of a child that could not drop all of its rights. */
export const KEPT_RIGHTS = 'runs as ';

export interface CaptureStatus {
  readonly interface: string;
  readonly state: CaptureState;
  /** Start of this state, in Unix milliseconds. */
  readonly since: number;
  /** Why the interface is deaf, as text for the log. */
  readonly reason?: string;
  /** Packets that the child decoded as knocks. */
  readonly received: number;
  /** Packets known to be lost on the way to the daemon. */
  readonly dropped: number;
  readonly restarts: number;
  /** The privileges that the child dropped after it opened the device, as text. */
  readonly privileges?: string;
  /** The child cannot detect packets that the kernel dropped: their attempts go on as if those packets had not arrived. */
  readonly lossesUnseen?: true;
}

export interface CaptureOptions extends CaptureScope {
  /** Names of interfaces; `any` is Linux's pseudo-device. */
  readonly interfaces: readonly string[];
  readonly onArrival: ArrivalListener;
  readonly onLost: LossListener;
  /** Called once for each change of an interface's state, never twice in a row for the same state. */
  readonly onState: (status: CaptureStatus) => void;
}

/** The capture method, as `status` shows it. */
export interface CaptureMethod {
  readonly kind: 'kernel' | 'pcap' | 'listen';
  /** `live`: only packets of sources that sent to a live port lately (kernel), or to listening ports (listen). */
  readonly sees: 'live' | 'all';
  /** For `listen`: the number of ports bound, and the number that should be. */
  readonly ports?: { readonly bound: number; readonly wanted: number };
  /** Why the kernel hands over all packets instead of choosing. */
  readonly reason?: string;
}

export interface Capture {
  /** Resolves when every interface is `listening` or `deaf` for the first time. */
  start(): Promise<void>;
  /** Applies the current live pairs. Resolves when packets to them will be reported; never rejects. */
  followLivePairs(): Promise<void>;
  method(): CaptureMethod;
  status(): readonly CaptureStatus[];
  stop(): Promise<void>;
}
