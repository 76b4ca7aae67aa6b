/**
 * The BPF filter of a capture, in pcap-filter(7) syntax: the kernel drops packets that cannot be knocks. It must pass every
 * packet that the decoder accepts, on every link type that can be opened. It is coarse and fixed for the life of a capture:
 * the decoder checks everything again, so a packet too many costs only time.
 *
 * The kernel removes the outer VLAN tag before the filter runs, and libpcap puts it back into the frame. So those packets
 * match by their content. A tag that the filter still sees is the second of two; the decoder reads behind it.
 */

import type { CaptureScope } from '../capture.ts';

/** IPv6 extension headers in front of TCP or UDP: hop-by-hop, routing, fragment, authentication, destination options. */
const EXTENSION_HEADERS = [0, 43, 44, 51, 60];

const SYN_AND_ACK = 0x12;
const SYN = 0x02;

/** Offset of the TCP flags in an IPv6 packet without extension headers: libpcap's tcp[] is IPv4 only. */
const IPV6_TCP_FLAGS = 40 + 13;

/**
 * The filter for `device`. It does not use `inbound` to exclude packets that this host sends. libpcap itself applies a new
 * filter to the first packets in the ring, does not know their direction, and would drop the first knocks after opening.
 * Such packets are excluded later by their addresses. NFLOG groups get no filter: libpcap does not support it there, and an
 * nftables rule has chosen the packets already.
 */
export function captureFilter(device: string, { udp, tcp }: CaptureScope): string {
  if (isNflog(device)) return '';
  const wanted = [
    // Not `ip and tcp`: that matches later fragments too, which have no ports.
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

/** Whether `device` is a netlink log group, as libpcap names them: `nflog:5`. */
export function isNflog(device: string): boolean {
  return /^nflog:[0-9]{1,5}$/.test(device);
}

/** The number in `nflog:5`. */
export function nflogGroup(device: string): number | undefined {
  return isNflog(device) ? Number(device.slice('nflog:'.length)) : undefined;
}

/** Whether `device` is no network interface and so cannot go down: Linux's `any`, or an NFLOG group. */
export function isPseudoDevice(device: string): boolean {
  return device === 'any' || isNflog(device);
}

/** Valid names of interfaces (dev_valid_name in the kernel), without those that mean another device to libpcap. */
export function isDeviceName(device: string): boolean {
  return isNflog(device) || (/^[^\s/:]{1,15}$/.test(device) && device !== '.' && device !== '..');
}
