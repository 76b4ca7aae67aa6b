/**
 * Capture files as tcpdump and Wireshark write them: pcap (both byte orders, micro- and nanoseconds) and pcapng. Knows the
 * formats' bytes (draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng); what a frame says is the decoder's business.
 *
 * A file may be anybody's: whatever its bytes, reading ends, holds one packet at a time, and says where it stopped
 * understanding instead of guessing on.
 */

export interface CapturedPacket {
  readonly linkType: number;
  /** What was kept of the frame. */
  readonly frame: Uint8Array;
  /** Unix milliseconds, with a fraction. */
  readonly atMs: number;
}

/** Gives exactly so many bytes, or undefined when there are no more so many. */
export type Take = (bytes: number) => Uint8Array | undefined;

/** libpcap's MAXIMUM_SNAPLEN. */
const MAX_FRAME_BYTES = 262_144;
/** A block of options may hold names of hosts and keys of TLS sessions; larger ones are nobody's. */
const MAX_BLOCK_BYTES = 16 * 1024 * 1024;
const MAX_INTERFACES = 4_096;

const SECTION_HEADER = 0x0a0d0d0a;
const INTERFACE = 1;
const SIMPLE_PACKET = 3;
const ENHANCED_PACKET = 6;
const BYTE_ORDER = 0x1a2b3c4d;
const OPTION_TIME_RESOLUTION = 9;

/** Yields the packets of a file; what it returns is why it ended before the end, undefined when it did not. */
export function* readCapture(take: Take): Generator<CapturedPacket, string | undefined> {
  const magic = take(4);
  if (magic === undefined) return 'this is no capture file: it is empty';
  const number = viewOf(magic).getUint32(0, true);
  if (number === SECTION_HEADER) return yield* readPcapng(take);
  for (const littleEndian of [true, false]) {
    const value = viewOf(magic).getUint32(0, littleEndian);
    if (value === 0xa1b2c3d4) return yield* readPcap(take, littleEndian, 1e3);
    if (value === 0xa1b23c4d) return yield* readPcap(take, littleEndian, 1e6);
  }
  return 'this is no capture file: neither pcap nor pcapng';
}

function* readPcap(
  take: Take,
  littleEndian: boolean,
  fractionsPerMs: number,
): Generator<CapturedPacket, string | undefined> {
  const header = take(20);
  if (header === undefined) return 'the file ends within its header';
  // The upper bits say how many bytes of checksum there are behind each frame.
  const linkType = viewOf(header).getUint32(16, littleEndian) & 0xffff;
  for (let packets = 0; ; packets += 1) {
    const record = take(16);
    if (record === undefined) return undefined;
    const view = viewOf(record);
    const kept = view.getUint32(8, littleEndian);
    if (kept > MAX_FRAME_BYTES) return `damaged behind packet ${packets}: a packet of ${kept} bytes`;
    const frame = take(kept);
    if (frame === undefined) return `the file ends within packet ${packets + 1}`;
    const atMs = view.getUint32(0, littleEndian) * 1000 + view.getUint32(4, littleEndian) / fractionsPerMs;
    yield { linkType, frame, atMs };
  }
}

interface Interface {
  readonly linkType: number;
  readonly unitsPerMs: number;
}

function* readPcapng(take: Take): Generator<CapturedPacket, string | undefined> {
  let littleEndian = true;
  let interfaces: Interface[] = [];
  let packets = 0;
  let lastMs = 0;
  for (let isFirst = true; ; isFirst = false) {
    const head = isFirst ? undefined : take(4);
    if (!isFirst && head === undefined) return undefined;
    const type = head === undefined ? SECTION_HEADER : viewOf(head).getUint32(0, littleEndian);
    const damaged = `damaged behind packet ${packets}`;
    const lengthBytes = take(4);
    if (lengthBytes === undefined) return damaged;
    let order: Uint8Array | undefined;
    if (type === SECTION_HEADER) {
      // Its length is in the order that it is about to tell.
      order = take(4);
      if (order === undefined) return damaged;
      const [little, big] = [true, false].map((each) => viewOf(order ?? lengthBytes).getUint32(0, each) === BYTE_ORDER);
      if (little !== true && big !== true) return damaged;
      littleEndian = little === true;
      interfaces = [];
    }
    const length = viewOf(lengthBytes).getUint32(0, littleEndian);
    const rest = length - 8 - (order === undefined ? 0 : 4) - 4;
    if (length % 4 !== 0 || rest < 0 || length > MAX_BLOCK_BYTES) return damaged;
    const body = take(rest);
    if (body === undefined || take(4) === undefined) return `the file ends within a block behind packet ${packets}`;
    if (type === INTERFACE) {
      if (interfaces.length === MAX_INTERFACES || body.length < 8) return damaged;
      const unitsPerMs = unitsOf(body, littleEndian);
      interfaces.push({ linkType: viewOf(body).getUint16(0, littleEndian), unitsPerMs });
    } else if (type === ENHANCED_PACKET || type === SIMPLE_PACKET) {
      const found = type === ENHANCED_PACKET ? enhanced(body, littleEndian) : simple(body, littleEndian);
      const from = interfaces[found?.interface ?? -1];
      if (found === undefined || from === undefined) return damaged;
      packets += 1;
      // A simple packet has no time: the one before it is the nearest.
      if (found.units !== undefined) lastMs = Number(found.units) / from.unitsPerMs;
      yield { linkType: from.linkType, frame: found.frame, atMs: lastMs };
    }
  }
}

interface Block {
  readonly interface: number;
  readonly units: bigint | undefined;
  readonly frame: Uint8Array;
}

function enhanced(body: Uint8Array, littleEndian: boolean): Block | undefined {
  if (body.length < 20) return undefined;
  const view = viewOf(body);
  const kept = view.getUint32(12, littleEndian);
  if (kept > MAX_FRAME_BYTES || 20 + kept > body.length) return undefined;
  const units = (BigInt(view.getUint32(4, littleEndian)) << 32n) | BigInt(view.getUint32(8, littleEndian));
  return { interface: view.getUint32(0, littleEndian), units, frame: body.subarray(20, 20 + kept) };
}

function simple(body: Uint8Array, littleEndian: boolean): Block | undefined {
  if (body.length < 4) return undefined;
  const length = Math.min(viewOf(body).getUint32(0, littleEndian), body.length - 4);
  if (length > MAX_FRAME_BYTES) return undefined;
  return { interface: 0, units: undefined, frame: body.subarray(4, 4 + length) };
}

/** if_tsresol: a power of ten, or of two where the upper bit is set; microseconds where it is missing. */
function unitsOf(body: Uint8Array, littleEndian: boolean): number {
  const view = viewOf(body);
  for (let at = 8; at + 4 <= body.length; ) {
    const code = view.getUint16(at, littleEndian);
    const length = view.getUint16(at + 2, littleEndian);
    if (code === 0) break;
    if (code === OPTION_TIME_RESOLUTION && length >= 1 && at + 4 < body.length) {
      const resolution = view.getUint8(at + 4);
      const exponent = resolution & 0x7f;
      return ((resolution & 0x80) === 0 ? 10 ** exponent : 2 ** exponent) / 1000;
    }
    at += 4 + ((length + 3) & ~3);
  }
  return 1000;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
