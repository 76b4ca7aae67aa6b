/**
 * Reads capture files of tcpdump and Wireshark: pcap (both byte orders, micro- and nanoseconds) and pcapng, see
 * draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng. Does not decode the frames.
 *
 * An attacker may have written the file. So reading always ends, keeps one packet in memory, and stops with a reason at the
 * first damaged byte instead of guessing.
 */

export interface CapturedPacket {
  readonly linkType: number;
  /** The captured bytes of the frame. */
  readonly frame: Uint8Array;
  /** Unix milliseconds, with a fraction. */
  readonly atMs: number;
}

/** Returns exactly `bytes` bytes, or undefined when fewer are left. */
export type Take = (bytes: number) => Uint8Array | undefined;

/** libpcap's MAXIMUM_SNAPLEN. */
const MAX_FRAME_BYTES = 262_144;
/** Blocks can contain host names and TLS session keys, so they may be large, but no tool writes larger ones. */
const MAX_BLOCK_BYTES = 16 * 1024 * 1024;
const MAX_INTERFACES = 4_096;

const SECTION_HEADER = 0x0a0d0d0a;
const INTERFACE = 1;
const SIMPLE_PACKET = 3;
const ENHANCED_PACKET = 6;
const BYTE_ORDER = 0x1a2b3c4d;
const OPTION_TIME_RESOLUTION = 9;

/** Yields the packets of a file. Returns why it stopped before the end of the file, or undefined. */
export function* readCapture(take: Take): Generator<CapturedPacket, string | undefined> {
  const magic = take(4);
  if (magic === undefined) return 'this is not a capture file: it is empty';
  const number = viewOf(magic).getUint32(0, true);
  if (number === SECTION_HEADER) return yield* readPcapng(take);
  for (const littleEndian of [true, false]) {
    const value = viewOf(magic).getUint32(0, littleEndian);
    if (value === 0xa1b2c3d4) return yield* readPcap(take, littleEndian, 1e3);
    if (value === 0xa1b23c4d) return yield* readPcap(take, littleEndian, 1e6);
  }
  return 'this is not a capture file: neither pcap nor pcapng';
}

function* readPcap(
  take: Take,
  littleEndian: boolean,
  fractionsPerMs: number,
): Generator<CapturedPacket, string | undefined> {
  const header = take(20);
  if (header === undefined) return 'the file ends within its header';
  // The upper bits are the length of the checksum after each frame.
  const linkType = viewOf(header).getUint32(16, littleEndian) & 0xffff;
  for (let packets = 0; ; packets += 1) {
    const record = take(16);
    if (record === undefined) return undefined;
    const view = viewOf(record);
    const length = view.getUint32(8, littleEndian);
    if (length > MAX_FRAME_BYTES) return `damaged after packet ${packets}: a packet of ${length} bytes`;
    const frame = take(length);
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
    const damaged = `damaged after packet ${packets}`;
    const lengthBytes = take(4);
    if (lengthBytes === undefined) return damaged;
    let order: Uint8Array | undefined;
    if (type === SECTION_HEADER) {
      // The length has the byte order that follows it.
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
    if (body === undefined || take(4) === undefined) return `the file ends within a block after packet ${packets}`;
    if (type === INTERFACE) {
      if (interfaces.length === MAX_INTERFACES || body.length < 8) return damaged;
      const unitsPerMs = unitsOf(body, littleEndian);
      interfaces.push({ linkType: viewOf(body).getUint16(0, littleEndian), unitsPerMs });
    } else if (type === ENHANCED_PACKET || type === SIMPLE_PACKET) {
      const packet = type === ENHANCED_PACKET ? enhanced(body, littleEndian) : simple(body, littleEndian);
      const from = interfaces[packet?.interface ?? -1];
      if (packet === undefined || from === undefined) return damaged;
      packets += 1;
      // A simple packet has no time: it gets that of the packet before it.
      if (packet.units !== undefined) lastMs = Number(packet.units) / from.unitsPerMs;
      yield { linkType: from.linkType, frame: packet.frame, atMs: lastMs };
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
  const length = view.getUint32(12, littleEndian);
  if (length > MAX_FRAME_BYTES || 20 + length > body.length) return undefined;
  const units = (BigInt(view.getUint32(4, littleEndian)) << 32n) | BigInt(view.getUint32(8, littleEndian));
  return { interface: view.getUint32(0, littleEndian), units, frame: body.subarray(20, 20 + length) };
}

function simple(body: Uint8Array, littleEndian: boolean): Block | undefined {
  if (body.length < 4) return undefined;
  const length = Math.min(viewOf(body).getUint32(0, littleEndian), body.length - 4);
  if (length > MAX_FRAME_BYTES) return undefined;
  return { interface: 0, units: undefined, frame: body.subarray(4, 4 + length) };
}

/** if_tsresol: a power of ten, or of two if the upper bit is set; the default is microseconds. */
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
