/**
 * The records that a capture child sends to the daemon, as bytes on a pipe: writers for the child, a reader for the daemon.
 *
 * An attacker's packet may have compromised the child. So a record has a fixed size, no length field, no text, and nothing
 * that makes the daemon allocate memory. A stream of fixed sizes cannot be synchronized again, so the first wrong byte
 * condemns the child.
 *
 * ```
 *            0       1      2      3   4..7        8..15       16..23    24..31    32..39    40..47
 * packet     'K'     1      flags  tag pair        atMs        source (16 bytes)   destination (16 bytes)
 * heartbeat  'K'     2      0      0   0           atMs        received  dropped   frames    0
 * opened     'K'     3      0      0   link type   atMs        uid       kept      counts    0
 * lost       'K'     4      0      0   0           atMs        packets   0         0         0
 * bound      'K'     5      0      0   number      atMs        bound     taken     refused   0
 * ```
 * Integers of 4 bytes and float64 are little-endian. `flags` is the byte of TCP flags, 0 for UDP. `tag` is the prefix of
 * the NFLOG rule, 0 elsewhere. `counts` is 1 if the child detects losses. A `lost` record is at the place of the loss:
 * packets are missing between the records before it and after it.
 */
import type { AddressKey } from '../../shared/address.ts';
import { isUdp, PAIR_COUNT, type Pair } from '../../shared/knock.ts';
import type { PacketView } from '../core/packet/packet-view.ts';

export const RECORD_BYTES = 48;
const ADDRESS_BYTES = 16;

const MARK = 0x4b;
const PACKET = 1;
const HEARTBEAT = 2;
const OPENED = 3;
const LOST = 4;
const BOUND = 5;
/** Masks for the first four bytes of a packet record, read as one integer. */
const FLAGS = 0xff0000;
const TAG = 0xff000000;

/** Privileges that the child could not drop, as bits of `kept`. */
export const KEPT_USER = 1;
export const KEPT_GROUPS = 2;
export const KEPT_CAPABILITIES = 4;
export const KEPT_NEW_PRIVILEGES = 8;
export const KEPT_SYSTEM_CALLS = 16;
/** Why the child kept its user. */
export const USER_UNMAPPED = 32;
export const USER_FORBIDDEN = 64;
export const USER_WITHOUT_LIBC = 128;
const KEPT_ALL = 255;

export interface Heartbeat {
  /** CLOCK_MONOTONIC in milliseconds. */
  readonly atMs: number;
  /** Packets decoded into knock candidates since the device was opened. */
  readonly received: number;
  /** Packets known to be dropped by the kernel or by a full pipe. */
  readonly dropped: number;
  /** Frames that passed the kernel's filter. */
  readonly frames: number;
}

export interface Opened {
  readonly atMs: number;
  readonly linkType: number;
  readonly uid: number;
  /** Bits {@link KEPT_USER} to {@link USER_WITHOUT_LIBC}. */
  readonly kept: number;
  /** Whether the child detects packets that the kernel dropped; if not, it sends no {@link Lost} for them. */
  readonly countsLosses: boolean;
}

/** Packets were lost here, so attempts in progress were not seen whole. */
export interface Lost {
  readonly atMs: number;
  /** Number of lost packets as far as known. */
  readonly packets: number;
}

/** From a child with listening sockets: the result of one of the daemon's orders. */
export interface Bound {
  readonly atMs: number;
  /** Number of the order, 1 to 2^32 - 1. */
  readonly number: number;
  readonly bound: number;
  /** Ports already in use by other programs. */
  readonly taken: number;
  /** Ports that the system refused for another reason: no permission, no descriptor left. */
  readonly refused: number;
}

/** Receives the records, synchronously. Its methods must not throw, because that would end the daemon. */
export interface RecordSink {
  packet(atMs: number, source: AddressKey, destination: AddressKey, pair: Pair, flags: number, tag: number): void;
  heartbeat(heartbeat: Heartbeat): void;
  opened(opened: Opened): void;
  lost(lost: Lost): void;
  bound(bound: Bound): void;
}

/** The fields of a decoded packet that a record needs. */
export type PacketPlaces = Pick<PacketView, 'family' | 'sourceAt' | 'destinationAt' | 'pair' | 'flags' | 'tag'>;

/** Writes a packet record at `into[at]`; addresses are copied from `frame`, IPv4 in its mapped form (shared/address). */
export function writePacket(into: Buffer, at: number, atMs: number, frame: Buffer, packet: PacketPlaces): void {
  writeHead(into, at, PACKET | (packet.flags << 8) | (packet.tag << 16), packet.pair, atMs);
  writeAddress(into, at + 16, frame, packet.family, packet.sourceAt);
  writeAddress(into, at + 32, frame, packet.family, packet.destinationAt);
}

export function writeHeartbeat(into: Buffer, at: number, heartbeat: Heartbeat): void {
  writeHead(into, at, HEARTBEAT, 0, heartbeat.atMs);
  into.writeDoubleLE(heartbeat.received, at + 16);
  into.writeDoubleLE(heartbeat.dropped, at + 24);
  into.writeDoubleLE(heartbeat.frames, at + 32);
  into.fill(0, at + 40, at + RECORD_BYTES);
}

export function writeOpened(into: Buffer, at: number, opened: Opened): void {
  writeHead(into, at, OPENED, opened.linkType, opened.atMs);
  into.writeDoubleLE(opened.uid, at + 16);
  into.writeDoubleLE(opened.kept, at + 24);
  into.writeDoubleLE(opened.countsLosses ? 1 : 0, at + 32);
  into.fill(0, at + 40, at + RECORD_BYTES);
}

export function writeLost(into: Buffer, at: number, lost: Lost): void {
  writeHead(into, at, LOST, 0, lost.atMs);
  into.writeDoubleLE(lost.packets, at + 16);
  into.fill(0, at + 24, at + RECORD_BYTES);
}

/**
 * Replaces each packet record between `from` and `to` by a loss of one packet, and returns how many. Whole records only: a
 * record that `from` cuts is partly sent already.
 */
export function forgetPackets(bytes: Buffer, from: number, to: number): number {
  let forgotten = 0;
  for (let at = Math.ceil(from / RECORD_BYTES) * RECORD_BYTES; at + RECORD_BYTES <= to; at += RECORD_BYTES) {
    if (bytes[at + 1] !== PACKET) continue;
    writeLost(bytes, at, { atMs: bytes.readDoubleLE(at + 8), packets: 1 });
    forgotten += 1;
  }
  return forgotten;
}

export function writeBound(into: Buffer, at: number, { atMs, number, bound, taken, refused }: Bound): void {
  writeHead(into, at, BOUND, number, atMs);
  into.writeDoubleLE(bound, at + 16);
  into.writeDoubleLE(taken, at + 24);
  into.writeDoubleLE(refused, at + 32);
  into.fill(0, at + 40, at + RECORD_BYTES);
}

/** `type` holds the bytes 1 to 3: the record type, the flags and the tag. */
function writeHead(into: Buffer, at: number, type: number, value: number, atMs: number): void {
  into.writeUInt32LE((MARK | (type << 8)) >>> 0, at);
  into.writeUInt32LE(value, at + 4);
  into.writeDoubleLE(atMs, at + 8);
}

/** Copies byte by byte: for so few bytes a call of fill or copy costs more. */
function writeAddress(into: Buffer, at: number, frame: Buffer, family: 4 | 6, from: number): void {
  if (family === 6) {
    for (let i = 0; i < 16; i += 1) into[at + i] = frame[from + i] ?? 0;
    return;
  }
  for (let i = 0; i < 10; i += 1) into[at + i] = 0;
  into[at + 10] = 0xff;
  into[at + 11] = 0xff;
  for (let i = 0; i < 4; i += 1) into[at + 12 + i] = frame[from + i] ?? 0;
}

/** Reads records from chunks with any boundaries. Buffers less than one record between chunks. */
export class RecordReader {
  readonly #sink: RecordSink;
  readonly #rest = Buffer.alloc(RECORD_BYTES);
  readonly #lastDestination = Buffer.alloc(ADDRESS_BYTES);
  #lastDestinationKey = this.#lastDestination.toString('latin1') as AddressKey;
  #held = 0;
  #broken = false;

  constructor(sink: RecordSink) {
    this.#sink = sink;
  }

  /** False from the first invalid record on; the sink gets nothing more. */
  push(chunk: Buffer): boolean {
    let at = 0;
    if (this.#held > 0) {
      at = chunk.copy(this.#rest, this.#held, 0, RECORD_BYTES - this.#held);
      this.#held += at;
      if (this.#held < RECORD_BYTES) return !this.#broken;
      this.#held = 0;
      this.#read(this.#rest, 0);
    }
    for (; at + RECORD_BYTES <= chunk.length && !this.#broken; at += RECORD_BYTES) this.#read(chunk, at);
    if (!this.#broken) this.#held = chunk.copy(this.#rest, 0, at);
    return !this.#broken;
  }

  #read(bytes: Buffer, at: number): void {
    if (!this.#broken && !this.#decode(bytes, at)) this.#broken = true;
  }

  #decode(bytes: Buffer, at: number): boolean {
    const head = bytes.readUInt32LE(at);
    const value = bytes.readUInt32LE(at + 4);
    const atMs = bytes.readDoubleLE(at + 8);
    if (!(atMs >= 0 && atMs <= Number.MAX_SAFE_INTEGER)) return false;
    if ((head & ~(FLAGS | TAG)) === (MARK | (PACKET << 8))) {
      const flags = (head & FLAGS) >>> 16;
      const tag = (head & TAG) >>> 24;
      if (value >= PAIR_COUNT || (value & 0xffff) === 0 || (isUdp(value) && flags !== 0)) return false;
      const source = bytes.toString('latin1', at + 16, at + 32) as AddressKey;
      const destination = this.#destinationAt(bytes, at + 32);
      this.#sink.packet(atMs, source, destination, value, flags, tag);
      return true;
    }
    const first = bytes.readDoubleLE(at + 16);
    const second = bytes.readDoubleLE(at + 24);
    const third = bytes.readDoubleLE(at + 32);
    if (!isCount(first) || !isCount(second) || !isCount(third)) return false;
    if (bytes.readDoubleLE(at + 40) !== 0) return false;
    if (head === (MARK | (HEARTBEAT << 8)) && value === 0) {
      this.#sink.heartbeat({ atMs, received: first, dropped: second, frames: third });
      return true;
    }
    if (head === (MARK | (OPENED << 8)) && value <= 0xffff && second <= KEPT_ALL && third <= 1) {
      this.#sink.opened({ atMs, linkType: value, uid: first, kept: second, countsLosses: third === 1 });
      return true;
    }
    if (head === (MARK | (LOST << 8)) && value === 0 && second === 0 && third === 0) {
      this.#sink.lost({ atMs, packets: first });
      return true;
    }
    if (head === (MARK | (BOUND << 8)) && value > 0) {
      this.#sink.bound({ atMs, number: value, bound: first, taken: second, refused: third });
      return true;
    }
    return false;
  }

  /** Reuses the last key, because most packets go to one address (in a flood, all). */
  #destinationAt(bytes: Buffer, at: number): AddressKey {
    for (let i = 0; i < ADDRESS_BYTES; i += 1) {
      if (bytes[at + i] === this.#lastDestination[i]) continue;
      bytes.copy(this.#lastDestination, 0, at, at + ADDRESS_BYTES);
      this.#lastDestinationKey = bytes.toString('latin1', at, at + ADDRESS_BYTES) as AddressKey;
      break;
    }
    return this.#lastDestinationKey;
  }
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
