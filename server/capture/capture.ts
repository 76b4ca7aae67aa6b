/**
 * The capture edge as the daemon sees it: packets in, state out. How packets are had (libpcap in a child process, the
 * kernel's choice, ports that listen) is the implementations' business.
 */
import type { AddressKey } from '../../shared/address.ts';
import type { Pair } from '../../shared/knock.ts';

/**
 * Called for each packet that could be a knock, as {@link CaptureScope} says; first fragments only; any destination.
 * `atMs` is CLOCK_MONOTONIC in milliseconds, as performance of the kernel counts it for every process (process.hrtime).
 * `flags` is the byte of TCP flags (RFC 9293 3.1), 0 for UDP. Positional and synchronous: nothing is allocated for a packet.
 */
export type ArrivalListener = (
  atMs: number,
  source: AddressKey,
  destination: AddressKey,
  pair: Pair,
  flags: number,
) => void;

/**
 * Called where packets are missing between those told before and those told after: what is in progress has not been seen
 * whole, and must not complete anything. `packets` is how many, 0 where nobody knows.
 */
export type LossListener = (packets: number) => void;

/** Which packets are worth a look, for all doors together. */
export interface CaptureScope {
  /** Datagrams too. */
  readonly udp: boolean;
  /** SYN without ACK, or every TCP packet: those of established connections too, which is a load of its own. */
  readonly tcp: 'opening' | 'any';
}

export type CaptureState =
  | 'starting' // the child has not said yet that it hears
  | 'listening' // the device is open and the child's heartbeat is fresh
  | 'deaf'; // the device is missing, down, or the child does not answer; being retried

export interface CaptureStatus {
  readonly interface: string;
  readonly state: CaptureState;
  /** Unix milliseconds since when. */
  readonly since: number;
  /** Why it is deaf, in words for the log. */
  readonly reason?: string;
  /** Frames that the child decoded into knocks, and packets that are known to have been lost on the way to the daemon. */
  readonly received: number;
  readonly dropped: number;
  readonly restarts: number;
  /** What the child gave up after it opened the device, in words. */
  readonly privileges?: string;
  /** Packets that the kernel has no room for are not noticed: attempts that they belong to go on as if they had not come. */
  readonly lossesUnseen?: true;
}

export interface CaptureOptions extends CaptureScope {
  /** Interface names; `any` is Linux's pseudo-device. */
  readonly interfaces: readonly string[];
  readonly onArrival: ArrivalListener;
  readonly onLost: LossListener;
  /** Called once for every change of state of an interface, never twice in a row for the same state. */
  readonly onState: (status: CaptureStatus) => void;
}

/** How packets are had, for people and programs. */
export interface CaptureMethod {
  readonly kind: 'kernel' | 'pcap' | 'listen';
  /** `live`: only the packets of sources that touched a live port lately, or only those to ports that listen. */
  readonly sees: 'live' | 'all';
  /** Where ports listen: how many do, and how many should. */
  readonly ports?: { readonly bound: number; readonly wanted: number };
  /** Why everything is looked at, where the kernel could choose. */
  readonly reason?: string;
}

export interface Capture {
  /** Resolves when every interface has become `listening` or `deaf` for the first time. */
  start(): Promise<void>;
  /** The live pairs may have changed. Resolves when packets to them will be told; never rejects. */
  followLivePairs(): Promise<void>;
  method(): CaptureMethod;
  status(): readonly CaptureStatus[];
  stop(): Promise<void>;
}
