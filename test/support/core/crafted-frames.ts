/**
 * Frames made by hand for the decoder's tests: an encoder that shares no code with the decoder. A test can set every
 * field; other fields get valid values.
 */

const SYN = 0x02;

function u16(value: number): number[] {
  return [(value >> 8) & 0xff, value & 0xff];
}

export function tcp(port: number, given: { flags?: number; dataOffset?: number } = {}): number[] {
  const dataOffset = given.dataOffset ?? 5;
  return [
    ...u16(40_000),
    ...u16(port),
    ...[0, 0, 0, 1],
    ...[0, 0, 0, 0],
    dataOffset << 4,
    given.flags ?? SYN,
    ...u16(64_240),
    ...[0, 0, 0, 0],
    ...new Array<number>(Math.max(0, dataOffset - 5) * 4).fill(1),
  ];
}

export function udp(port: number, payload: readonly number[] = []): number[] {
  return [...u16(40_000), ...u16(port), ...u16(8 + payload.length), 0, 0, ...payload];
}

interface Ipv4Fields {
  readonly source?: readonly number[];
  readonly destination?: readonly number[];
  readonly protocol?: number;
  /** Bytes of IP options, a multiple of 4. */
  readonly options?: number;
  /** Flags and offset as one 16-bit field. */
  readonly fragment?: number;
  readonly totalLength?: number;
  readonly version?: number;
  /** In 32-bit words. */
  readonly headerWords?: number;
}

export function ipv4(payload: readonly number[], given: Ipv4Fields = {}): number[] {
  const options = given.options ?? 0;
  const words = given.headerWords ?? 5 + options / 4;
  return [
    ((given.version ?? 4) << 4) | words,
    0,
    ...u16(given.totalLength ?? 20 + options + payload.length),
    ...[0, 1],
    ...u16(given.fragment ?? 0x4000),
    64,
    given.protocol ?? 6,
    ...[0, 0],
    ...(given.source ?? [192, 0, 2, 7]),
    ...(given.destination ?? [198, 51, 100, 1]),
    ...new Array<number>(options).fill(1),
    ...payload,
  ];
}

interface Ipv6Fields {
  readonly source?: readonly number[];
  readonly destination?: readonly number[];
  readonly next?: number;
  readonly payloadLength?: number;
}

export function ipv6(payload: readonly number[], given: Ipv6Fields = {}): number[] {
  return [
    ...[0x60, 0, 0, 0],
    ...u16(given.payloadLength ?? payload.length),
    given.next ?? 6,
    64,
    ...(given.source ?? [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]),
    ...(given.destination ?? [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]),
    ...payload,
  ];
}

/** An IPv6 extension header of 8 * (units + 1) bytes; `third` and `fourth` are its bytes 2 and 3. */
export function extension(next: number, units = 0, third = 0, fourth = 0): number[] {
  return [next, units, third, fourth, ...new Array<number>(4 + units * 8).fill(0)];
}

/** `offset` in units of 8 bytes. */
export function fragmentHeader(next: number, offset: number): number[] {
  return [next, 0, ...u16((offset << 3) | 1), 0, 0, 0, 1];
}

/** RFC 4302: the length is in words of 4 bytes, less two. */
export function authenticationHeader(next: number): number[] {
  return [next, 4, ...new Array<number>(22).fill(0)];
}

const etherTypeOf = (packet: readonly number[]): number => ((packet[0] ?? 0) >> 4 === 6 ? 0x86dd : 0x0800);
const tagBytes = (tags: readonly number[]): number[] => tags.flatMap((tag) => [...u16(tag), 0, 100]);

export function ethernet(
  packet: readonly number[],
  tags: readonly number[] = [],
  type = etherTypeOf(packet),
): number[] {
  return [...[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2], ...tagBytes(tags), ...u16(type), ...packet];
}

export function sll(packet: readonly number[], packetType = 0, deviceType = 1, tags: readonly number[] = []): number[] {
  const head = [...u16(packetType), ...u16(deviceType), ...u16(6), ...[2, 0, 0, 0, 0, 1, 0, 0]];
  return [...head, ...tagBytes(tags), ...u16(etherTypeOf(packet)), ...packet];
}

export function sll2(packet: readonly number[], packetType = 0, deviceType = 1): number[] {
  const head = [...u16(etherTypeOf(packet)), ...[0, 0], ...[0, 0, 0, 2], ...u16(deviceType), packetType, 6];
  return [...head, ...[2, 0, 0, 0, 0, 1, 0, 0], ...packet];
}

/** One NFLOG attribute; `length` is the value of its length field. */
export function attribute(type: number, value: readonly number[], length = value.length + 4): number[] {
  const padding = new Array<number>((4 - (value.length % 4)) % 4).fill(0);
  return [length & 0xff, length >> 8, type & 0xff, type >> 8, ...value, ...padding];
}

export function nflog(packet: readonly number[], family = (packet[0] ?? 0) >> 4 === 6 ? 10 : 2): number[] {
  return [...[family, 0, 0, 5], ...attribute(1, [8, 0, 1, 0]), ...attribute(10, [0x6b, 0]), ...attribute(9, packet)];
}
