/**
 * Reads IP, TCP and UDP headers: whether an IP packet can be a knock, its addresses, and its pair. Follows RFC 791,
 * 8200 and 9293 as far as an attacker can bend them. The engine decides later, by address, whether this host watches
 * the packet.
 *
 * A packet is refused if the host's own stack would not take it for a connection attempt either, or if two different
 * senders would look alike.
 */
import { pairOf } from '../../../shared/knock.ts';
import type { PacketView } from './packet-view.ts';

const TCP = 6;
const UDP = 17;
const SYN = 0x02;
const ACK = 0x10;

const HOP_BY_HOP = 0;
const ROUTING = 43;
const FRAGMENT = 44;
const AUTHENTICATION = 51;
const DESTINATION_OPTIONS = 60;

/** RFC 8200 section 4.1 lists at most six in one packet. */
export const MAX_EXTENSION_HEADERS = 8;

/** Reads the IP packet at `view.at`; true when it is a knock candidate and the view is filled. */
export function readNetwork(frame: Uint8Array, view: PacketView): boolean {
  return view.family === 4 ? readIpv4(frame, view) : readIpv6(frame, view);
}

function byte(frame: Uint8Array, at: number): number {
  return frame[at] ?? 0;
}

function short(frame: Uint8Array, at: number): number {
  return (byte(frame, at) << 8) | byte(frame, at + 1);
}

function readIpv4(frame: Uint8Array, view: PacketView): boolean {
  const at = view.at;
  if (at + 20 > view.end) return false;
  const headerLength = (byte(frame, at) & 0x0f) * 4;
  const totalLength = short(frame, at + 2);
  if (headerLength < 20 || totalLength < headerLength) return false;
  // The bytes after the datagram's end are Ethernet padding, not part of the datagram.
  view.end = Math.min(view.end, at + totalLength);
  // RFC 3128: a later fragment has no ports, and a crafted one must not be read as if it had.
  if ((short(frame, at + 6) & 0x1fff) !== 0) return false;
  const network = byte(frame, at + 12);
  // 0/8 is "this host", 224/4 multicast, 240/4 reserved with the broadcast: no client has such an address.
  if (network === 0 || network >= 224) return false;
  view.sourceAt = at + 12;
  view.destinationAt = at + 16;
  return readTransport(frame, at + headerLength, byte(frame, at + 9), view);
}

function readIpv6(frame: Uint8Array, view: PacketView): boolean {
  const at = view.at;
  if (at + 40 > view.end) return false;
  // A payload length of 0 means a jumbogram (RFC 2675) or no payload: no knock.
  view.end = Math.min(view.end, at + 40 + short(frame, at + 4));
  if (isRefusedSource(frame, at + 8) || isMapped(frame, at + 8) || isMapped(frame, at + 24)) return false;
  view.sourceAt = at + 8;
  view.destinationAt = at + 24;
  let next = byte(frame, at + 6);
  let header = at + 40;
  for (let seen = 0; ; seen += 1) {
    if (next === TCP || next === UDP) return readTransport(frame, header, next, view);
    const size = extensionSize(frame, header, next, seen, view.end);
    if (size === 0) return false;
    next = byte(frame, header);
    header += size;
  }
}

/** Bytes of the extension header at `at`; 0 to refuse the packet: it is cut short, malformed, or no TCP or UDP. */
function extensionSize(frame: Uint8Array, at: number, type: number, seen: number, end: number): number {
  if (seen >= MAX_EXTENSION_HEADERS || at + 8 > end) return 0;
  const units = byte(frame, at + 1);
  switch (type) {
    case HOP_BY_HOP:
      // RFC 8200 section 4.3: only directly after the IPv6 header.
      return seen === 0 ? (units + 1) * 8 : 0;
    case ROUTING:
      // With segments left, the destination address is a waypoint and this host is not the receiver.
      return byte(frame, at + 3) === 0 ? (units + 1) * 8 : 0;
    case DESTINATION_OPTIONS:
      return (units + 1) * 8;
    case FRAGMENT:
      return (short(frame, at + 2) & 0xfff8) === 0 ? 8 : 0;
    case AUTHENTICATION:
      // RFC 4302: the length counts units of 4 bytes, minus two.
      return (units + 2) * 4;
    default:
      return 0;
  }
}

/** `::` and ff00::/8. */
function isRefusedSource(frame: Uint8Array, at: number): boolean {
  if (byte(frame, at) === 0xff) return true;
  return isZero(frame, at, 16);
}

/** ::ffff:0:0/96 on the wire would have the same key as an IPv4 host (shared/address.ts). */
function isMapped(frame: Uint8Array, at: number): boolean {
  return byte(frame, at + 10) === 0xff && byte(frame, at + 11) === 0xff && isZero(frame, at, 10);
}

function isZero(frame: Uint8Array, at: number, length: number): boolean {
  for (let i = at; i < at + length; i += 1) if (byte(frame, i) !== 0) return false;
  return true;
}

/** Requires a whole TCP header: RFC 1858's tiny fragments hide the flags in the next fragment. Refuses port 0. */
function readTransport(frame: Uint8Array, at: number, protocol: number, view: PacketView): boolean {
  if (protocol === TCP) {
    if (at + 20 > view.end || byte(frame, at + 12) >> 4 < 5) return false;
    view.flags = byte(frame, at + 13);
    if (!view.anyTcp && (view.flags & (SYN | ACK)) !== SYN) return false;
  } else {
    if (protocol !== UDP || at + 8 > view.end) return false;
    view.flags = 0;
  }
  const port = short(frame, at + 2);
  view.pair = pairOf(protocol === TCP ? 'tcp' : 'udp', port);
  return port !== 0;
}
