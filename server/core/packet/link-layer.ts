/**
 * Finds the IP packet in a captured frame: strips the link-layer header of each supported link type, VLAN tags
 * included.
 */
import type { PacketView } from './packet-view.ts';

/** LINKTYPE_ numbers of libpcap. Raw IP has two: 12 is DLT_RAW of a live capture on Linux, 101 is used in files. */
export const LINK_NULL = 0;
export const LINK_ETHERNET = 1;
export const LINK_RAW = 12;
export const LINK_RAW_FILE = 101;
export const LINK_LOOP = 108;
export const LINK_SLL = 113;
export const LINK_IPV4 = 228;
export const LINK_IPV6 = 229;
export const LINK_NFLOG = 239;
export const LINK_SLL2 = 276;

/** Link types that {@link unwrapLink} supports. A capture on a device of another type must fail, not stay silent. */
export const LINK_TYPES: readonly number[] = [
  LINK_NULL,
  LINK_ETHERNET,
  LINK_RAW,
  LINK_RAW_FILE,
  LINK_LOOP,
  LINK_SLL,
  LINK_IPV4,
  LINK_IPV6,
  LINK_NFLOG,
  LINK_SLL2,
];

/** 802.1ad allows two tags; providers stack a third. No real network sends more. */
export const MAX_VLAN_TAGS = 3;
/** The kernel writes about ten attributes. The limit bounds the work for a frame of empty ones. */
export const MAX_NFLOG_ATTRIBUTES = 32;

const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_IPV6 = 0x86dd;
/** sll_pkttype of packets that this host sent. */
const PACKET_OUTGOING = 4;
/** Devices with an SLL protocol field that is not an ethertype: netlink monitor, 802.11 monitor, FRAD. */
const ARPHRD_WITHOUT_ETHERTYPE: readonly number[] = [770, 803, 824];
const NFULA_PAYLOAD = 9;
const NFULA_PREFIX = 10;
const NFULA_SEQ = 12;
const AF_INET = 2;
/** AF_INET6 on Linux, BSDs, FreeBSD and macOS. DLT_NULL carries the number of the capturing host. */
const AF_INET6: readonly number[] = [10, 24, 28, 30];

/**
 * Sets `view.at`, `view.end` and `view.family` to the IP packet in `frame[0, length)`; false when there is none. For
 * NFLOG it also sets `view.number` and `view.tag`.
 * @param length at most `frame.length`; bytes behind it belong to an earlier packet and are never read
 */
export function unwrapLink(linkType: number, frame: Uint8Array, length: number, view: PacketView): boolean {
  view.end = length;
  view.number = -1;
  view.tag = 0;
  switch (linkType) {
    case LINK_ETHERNET:
      return length >= 14 && throughTags(frame, 12, view);
    case LINK_SLL:
      return length >= 16 && cooked(byte(frame, 1), short(frame, 2)) && throughTags(frame, 14, view);
    case LINK_SLL2:
      if (length < 20 || !cooked(byte(frame, 10), short(frame, 8))) return false;
      return isTag(short(frame, 0)) ? tagged(frame, 20, 1, view) : ipAt(frame, 20, short(frame, 0), view);
    case LINK_NULL:
      return length >= 4 && loopback(frame, hostOrder(frame), view);
    case LINK_LOOP:
      return length >= 4 && loopback(frame, short(frame, 0) === 0 ? short(frame, 2) : -1, view);
    case LINK_RAW:
    case LINK_RAW_FILE:
      return length >= 1 && ipAt(frame, 0, ethertypeOfVersion(frame, 0), view);
    case LINK_IPV4:
      return ipAt(frame, 0, ETHERTYPE_IPV4, view);
    case LINK_IPV6:
      return ipAt(frame, 0, ETHERTYPE_IPV6, view);
    case LINK_NFLOG:
      return logged(frame, length, view);
    default:
      return false;
  }
}

function byte(frame: Uint8Array, at: number): number {
  return frame[at] ?? 0;
}

function short(frame: Uint8Array, at: number): number {
  return (byte(frame, at) << 8) | byte(frame, at + 1);
}

function isTag(ethertype: number): boolean {
  return ethertype === 0x8100 || ethertype === 0x88a8 || ethertype === 0x9100;
}

/** @param at position of the first ethertype; the caller has checked that its two bytes exist */
function throughTags(frame: Uint8Array, at: number, view: PacketView): boolean {
  const ethertype = short(frame, at);
  return isTag(ethertype) ? tagged(frame, at + 2, 1, view) : ipAt(frame, at + 2, ethertype, view);
}

/** @param at position of a tag's control information; the next ethertype follows it */
function tagged(frame: Uint8Array, at: number, depth: number, view: PacketView): boolean {
  if (depth > MAX_VLAN_TAGS || at + 4 > view.end) return false;
  const ethertype = short(frame, at + 2);
  return isTag(ethertype) ? tagged(frame, at + 4, depth + 1, view) : ipAt(frame, at + 4, ethertype, view);
}

/** Ethertype and IP version must agree: filters are bypassed where the stack trusts one and the filter the other. */
function ipAt(frame: Uint8Array, at: number, ethertype: number, view: PacketView): boolean {
  if (at >= view.end) return false;
  const version = byte(frame, at) >> 4;
  if (ethertype === ETHERTYPE_IPV4 && version === 4) view.family = 4;
  else if (ethertype === ETHERTYPE_IPV6 && version === 6) view.family = 6;
  else return false;
  view.at = at;
  return true;
}

function ethertypeOfVersion(frame: Uint8Array, at: number): number {
  return byte(frame, at) >> 4 === 4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6;
}

/** False for outgoing packets: on the device `any`, a packet of this host to itself appears twice, out and in. */
function cooked(packetType: number, deviceType: number): boolean {
  return packetType !== PACKET_OUTGOING && !ARPHRD_WITHOUT_ETHERTYPE.includes(deviceType);
}

/** DLT_NULL has the byte order of the capturing host. Families are small numbers, so only one order gives one. */
function hostOrder(frame: Uint8Array): number {
  if (short(frame, 2) === 0) return byte(frame, 0) | (byte(frame, 1) << 8);
  return short(frame, 0) === 0 ? short(frame, 2) : -1;
}

function loopback(frame: Uint8Array, family: number, view: PacketView): boolean {
  if (family === AF_INET) return ipAt(frame, 4, ETHERTYPE_IPV4, view);
  return AF_INET6.includes(family) && ipAt(frame, 4, ETHERTYPE_IPV6, view);
}

/**
 * NFLOG: family, version 0, resource id, then attributes of (length, type, value) padded to 4 bytes. The length
 * includes the four bytes of length and type. libpcap keeps the host's byte order, and every platform with Node and
 * nftables is little-endian. On a big-endian host no attribute length would fit, so the decoder finds no packet instead
 * of a wrong one. The kernel puts the payload last, so nothing after a payload is read.
 */
function logged(frame: Uint8Array, length: number, view: PacketView): boolean {
  if (length < 4 || byte(frame, 1) !== 0) return false;
  const family = byte(frame, 0);
  let at = 4;
  for (let seen = 0; seen < MAX_NFLOG_ATTRIBUTES && at + 4 <= length; seen += 1) {
    const size = byte(frame, at) | (byte(frame, at + 1) << 8);
    const type = byte(frame, at + 2) | (byte(frame, at + 3) << 8);
    if (size < 4 || at + size > length) return false;
    if (type === NFULA_PAYLOAD) {
      view.end = at + size;
      if (family === AF_INET) return ipAt(frame, at + 4, ETHERTYPE_IPV4, view);
      return family === 10 && ipAt(frame, at + 4, ETHERTYPE_IPV6, view);
    }
    if (type === NFULA_SEQ && size === 8) view.number = short(frame, at + 4) * 0x10000 + short(frame, at + 6);
    if (type === NFULA_PREFIX) view.tag = tagIn(frame, at + 4, at + size);
    at += (size + 3) & ~3;
  }
  return false;
}

/** The number of a prefix of one to three digits with a NUL at its end; 0 for any other prefix and above 255. */
function tagIn(frame: Uint8Array, from: number, to: number): number {
  let tag = 0;
  for (let at = from; at < to && at < from + 4; at += 1) {
    const digit = byte(frame, at) - 0x30;
    if (digit === -0x30) return tag <= 0xff ? tag : 0;
    if (digit < 0 || digit > 9) return 0;
    tag = tag * 10 + digit;
  }
  return 0;
}
