/**
 * Knocks as real frames in a pcap file, for tcpreplay: any source, any order, any number, far faster than sockets could
 * send them. Ethernet with or without a VLAN tag, IPv4 or IPv6, an empty TCP segment or UDP datagram, with right
 * checksums.
 */
import { addressBytes, addressKey } from '../../../shared/address.ts';
import type { Knock } from '../../../shared/knock.ts';

export interface Ends {
  readonly fromMac: string;
  readonly toMac: string;
  readonly from: string;
  readonly to: string;
}

/** A knock, also with other TCP flags than SYN or inside a VLAN. */
export interface Packet extends Knock {
  readonly flags?: number;
  readonly vlan?: number;
}

const ETHERNET_LINK = 1;
const SYN = 0x02;

/** A pcap file of one frame for each knock, a millisecond apart. */
export function pcapOf(ends: Ends, knocks: readonly Packet[]): Buffer {
  return pcapOfFrames(knocks.map((knock, at) => frameOf(ends, knock, at)));
}

/** A pcap file of frames as they are, a millisecond apart. */
export function pcapOfFrames(frames: readonly Buffer[]): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(65_535, 16);
  header.writeUInt32LE(ETHERNET_LINK, 20);
  const parts: Buffer[] = [header];
  for (const [at, frame] of frames.entries()) {
    const record = Buffer.alloc(16);
    record.writeUInt32LE(Math.floor(at / 1000), 0);
    record.writeUInt32LE((at % 1000) * 1000, 4);
    record.writeUInt32LE(frame.length, 8);
    record.writeUInt32LE(frame.length, 12);
    parts.push(record, frame);
  }
  return Buffer.concat(parts);
}

export function frameOf(ends: Ends, knock: Packet, sequenceNumber = 0): Buffer {
  const from = bytesOf(ends.from);
  const to = bytesOf(ends.to);
  const protocol = knock.protocol === 'tcp' ? 6 : 17;
  const segment =
    knock.protocol === 'tcp' ? tcpSegment(knock.port, knock.flags ?? SYN, sequenceNumber) : udpDatagram(knock.port);
  const pseudo = Buffer.concat([from, to, Buffer.from([0, protocol]), uint16(segment.length)]);
  segment.writeUInt16BE(checksum(Buffer.concat([pseudo, segment])), knock.protocol === 'tcp' ? 16 : 6);
  const tag = knock.vlan === undefined ? [] : [uint16(0x8100), uint16(knock.vlan)];
  const type = uint16(from.length === 4 ? 0x0800 : 0x86dd);
  const ethernet = Buffer.concat([macOf(ends.toMac), macOf(ends.fromMac), ...tag, type]);
  const ip = from.length === 4 ? ipv4(from, to, protocol, segment.length) : ipv6(from, to, protocol, segment.length);
  return Buffer.concat([ethernet, ip, segment]);
}

function tcpSegment(port: number, flags: number, sequenceNumber: number): Buffer {
  const segment = Buffer.alloc(20);
  segment.writeUInt16BE(40_000 + (sequenceNumber % 20_000), 0);
  segment.writeUInt16BE(port, 2);
  segment.writeUInt32BE(sequenceNumber, 4);
  segment.writeUInt8(5 << 4, 12);
  segment.writeUInt8(flags, 13);
  segment.writeUInt16BE(64_240, 14);
  return segment;
}

function udpDatagram(port: number): Buffer {
  const datagram = Buffer.alloc(8);
  datagram.writeUInt16BE(40_000, 0);
  datagram.writeUInt16BE(port, 2);
  datagram.writeUInt16BE(8, 4);
  return datagram;
}

function ipv4(from: Buffer, to: Buffer, protocol: number, length: number): Buffer {
  const header = Buffer.alloc(20);
  header.writeUInt8(0x45, 0);
  header.writeUInt16BE(20 + length, 2);
  header.writeUInt8(64, 8);
  header.writeUInt8(protocol, 9);
  from.copy(header, 12);
  to.copy(header, 16);
  header.writeUInt16BE(checksum(header), 10);
  return header;
}

function ipv6(from: Buffer, to: Buffer, protocol: number, length: number): Buffer {
  const header = Buffer.alloc(40);
  header.writeUInt8(0x60, 0);
  header.writeUInt16BE(length, 4);
  header.writeUInt8(protocol, 6);
  header.writeUInt8(64, 7);
  from.copy(header, 8);
  to.copy(header, 24);
  return header;
}

function bytesOf(address: string): Buffer {
  const key = addressKey(address);
  if (key === undefined) throw new Error(`no address: ${address}`);
  return Buffer.from(addressBytes(key));
}

function macOf(text: string): Buffer {
  return Buffer.from(text.replaceAll(':', ''), 'hex');
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

/** RFC 1071. */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
