/**
 * The BPF filter, in pcap-filter(7)'s words: what the kernel need not wake us for. It is coarse on purpose, and fixed for
 * the life of a capture; the decoder checks everything again, so a filter that lets too much through costs time only.
 * It must let through every packet that the decoder would take, on every link type of a device that can be opened.
 *
 * Of VLAN tags the kernel takes the outermost off before the filter looks, and libpcap puts it back into the frame: those
 * packets match by what is inside. A tag that is still there is the second of two; what is behind it the decoder reads.
 */

import type { CaptureScope } from '../capture.ts';

/** IPv6 extension headers in front of TCP or UDP: hop-by-hop, routing, fragment, authentication, destination options. */
const EXTENSION_HEADERS = [0, 43, 44, 51, 60];

const SYN_AND_ACK = 0x12;
const SYN = 0x02;

/** Where in an IPv6 packet without extension headers TCP's flags stand: libpcap's tcp[] is IPv4 only. */
const IPV6_TCP_FLAGS = 40 + 13;

/**
 * The filter for `device`. It does not say `inbound`, though what this host sends is nobody's knock: libpcap runs a new
 * filter over the first ringful of packets itself as well, has no packet type there, and so drops the first knocks after
 * each opening. The addresses of such packets sort them out later. NFLOG groups get no filter: libpcap has none for them, and an nftables rule has chosen already.
 */
export function captureFilter(device: string, { udp, tcp }: CaptureScope): string {
  if (isNflog(device)) return '';
  const wanted = [
    // Not `ip and tcp`: that is every fragment too, and later ones have no ports.
    tcp === 'any' ? 'ip and ip[9] = 6 and ip[6:2] & 0x1fff = 0' : `ip and tcp[tcpflags] & ${SYN_AND_ACK} = ${SYN}`,
    `ip6 and ip6[6] = 6${tcp === 'any' ? '' : ` and ip6[${IPV6_TCP_FLAGS}] & ${SYN_AND_ACK} = ${SYN}`}`,
    ...EXTENSION_HEADERS.map((header) => `ip6 and ip6[6] = ${header}`),
    'ether proto 0x8100',
    'ether proto 0x88a8',
    'ether proto 0x9100',
  ];
  if (udp) wanted.push('ip and ip[9] = 17 and ip[6:2] & 0x1fff = 0', 'ip6 and ip6[6] = 17');
  return wanted.map((part) => `(${part})`).join(' or ');
}

/** `nflog:5`: libpcap's name for a netlink log group. */
export function isNflog(device: string): boolean {
  return /^nflog:[0-9]{1,5}$/.test(device);
}

/** The number in `nflog:5`. */
export function nflogGroup(device: string): number | undefined {
  return isNflog(device) ? Number(device.slice('nflog:'.length)) : undefined;
}

/** A device that is no network interface and so cannot go down: Linux's `any`, or an NFLOG group. */
export function isPseudoDevice(device: string): boolean {
  return device === 'any' || isNflog(device);
}

/** What the kernel takes for an interface's name (dev_valid_name), less what would be another thing to libpcap. */
export function isDeviceName(device: string): boolean {
  return isNflog(device) || (/^[^\s/:]{1,15}$/.test(device) && device !== '.' && device !== '..');
}
