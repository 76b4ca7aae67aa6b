import type { PacketView } from './packet-view.ts';

/** LINKTYPE_ numbers of libpcap; 12 is what Linux's DLT_RAW is called in memory, 101 in files. */
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

/** Link types that {@link unwrapLink} knows; a device with another one must not be listened to in silence. */
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

/** 802.1ad allows two tags; providers stack a third. More than that is somebody playing. */
export const MAX_VLAN_TAGS = 3;
/** The kernel writes about ten attributes; a frame of empty ones must not keep us busy. */
export const MAX_NFLOG_ATTRIBUTES = 32;

const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_IPV6 = 0x86dd;
/** sll_pkttype of packets that this host sent. */
const PACKET_OUTGOING = 4;
/** Devices whose SLL protocol field is not an ethertype (netlink monitor, 802.11 monitor, FRAD). */
const ARPHRD_WITHOUT_ETHERTYPE: readonly number[] = [770, 803, 824];
const NFULA_PAYLOAD = 9;
const NFULA_PREFIX = 10;
const NFULA_SEQ = 12;
const AF_INET = 2;
/** The number of AF_INET6 differs by system: Linux, BSDs, FreeBSD, macOS; DLT_NULL carries the capturing host's. */
const AF_INET6: readonly number[] = [10, 24, 28, 30];

/**
 * Sets `view.at`, `view.end` and `view.family` to the IP packet in `frame[0, length)`; false when there is none. What
 * NFLOG says besides is in `view.number` and `view.tag`.
 * @param length at most `frame.length`; bytes behind it are an earlier packet's and are never read
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

/** `at` is where the first ethertype stands; the caller has checked that two bytes are there. */
function throughTags(frame: Uint8Array, at: number, view: PacketView): boolean {
  const ethertype = short(frame, at);
  return isTag(ethertype) ? tagged(frame, at + 2, 1, view) : ipAt(frame, at + 2, ethertype, view);
}

/** `at` is where a tag's control information stands, followed by the next ethertype. */
function tagged(frame: Uint8Array, at: number, depth: number, view: PacketView): boolean {
  if (depth > MAX_VLAN_TAGS || at + 4 > view.end) return false;
  const ethertype = short(frame, at + 2);
  return isTag(ethertype) ? tagged(frame, at + 4, depth + 1, view) : ipAt(frame, at + 4, ethertype, view);
}

/** Ethertype and version must agree: a stack that trusts the one and a filter that trusts the other is how filters fall. */
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

/** On `any`, a packet of this host to itself shows up going out and coming in: once is enough. */
function cooked(packetType: number, deviceType: number): boolean {
  return packetType !== PACKET_OUTGOING && !ARPHRD_WITHOUT_ETHERTYPE.includes(deviceType);
}

/** DLT_NULL is in the byte order of the machine that captured; families are small, so only one reading is. */
function hostOrder(frame: Uint8Array): number {
  if (short(frame, 2) === 0) return byte(frame, 0) | (byte(frame, 1) << 8);
  return short(frame, 0) === 0 ? short(frame, 2) : -1;
}

function loopback(frame: Uint8Array, family: number, view: PacketView): boolean {
  if (family === AF_INET) return ipAt(frame, 4, ETHERTYPE_IPV4, view);
  return AF_INET6.includes(family) && ipAt(frame, 4, ETHERTYPE_IPV6, view);
}

/**
 * NFLOG: family, version 0, resource id, then attributes of (length, type, value) padded to 4; the length counts its own
 * four bytes. libpcap hands on the host's byte order; every platform that Node and nftables share is little-endian, and
 * on one that is not no attribute would have a length that fits, so nothing is heard instead of something else. The
 * kernel puts the payload last; what stands behind one is not read.
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

/** A prefix of one to three digits and the NUL behind them; 0 for any other, and for what no byte holds. */
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
