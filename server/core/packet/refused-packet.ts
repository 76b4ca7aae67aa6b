/**
 * Explains why the decoder refused a packet, in words, for `server/explain`. Looks at the refused packet a second time;
 * it is never on the packet path. The decoder alone decides. Total, as the decoder is.
 */
import { tcpFlagBits } from '../door.ts';
import { unwrapLink } from './link-layer.ts';
import { decodePacket } from './packet.ts';
import type { PacketView } from './packet-view.ts';

export interface RefusedPacket {
  readonly why: string;
  /** What is valid in the view: nothing, the addresses, or also the pair and the flags. */
  readonly known: 'nothing' | 'addresses' | 'all';
}

const TCP = 6;
const UDP = 17;
const NAMES: Readonly<Record<number, string>> = {
  1: 'ICMP',
  2: 'IGMP',
  47: 'GRE',
  50: 'ESP',
  58: 'ICMPv6',
  132: 'SCTP',
};

/** The reason for a frame that {@link decodePacket} refused with the same arguments. Overwrites `view`. */
export function whyRefused(linkType: number, frame: Uint8Array, length: number, view: PacketView): RefusedPacket {
  const { anyTcp } = view;
  view.anyTcp = true;
  const isTcp = decodePacket(linkType, frame, length, view);
  view.anyTcp = anyTcp;
  if (isTcp) return { why: `TCP flags ${formatFlags(view.flags)}: only a SYN without ACK knocks here`, known: 'all' };
  if (!unwrapLink(linkType, frame, Math.min(length, frame.length), view))
    return { why: 'no IP packet', known: 'nothing' };
  return view.family === 4 ? whyIpv4(frame, view) : whyIpv6(frame, view);
}

/** Such as `syn,ack`, in the order of knockd's names; `none` without flags. */
export function formatFlags(flags: number): string {
  const names = [...tcpFlagBits].filter(([, bit]) => (flags & bit) !== 0).map(([name]) => name);
  return names.length === 0 ? 'none' : names.join(',');
}

function whyIpv4(frame: Uint8Array, view: PacketView): RefusedPacket {
  const { at } = view;
  if (at + 20 > view.end) return { why: 'cut short', known: 'nothing' };
  view.sourceAt = at + 12;
  view.destinationAt = at + 16;
  const fragment = (byte(frame, at + 6) & 0x1f) | byte(frame, at + 7);
  if (fragment !== 0) return { why: 'a later fragment', known: 'addresses' };
  return { why: whyTransport(byte(frame, at + 9)), known: 'addresses' };
}

function whyIpv6(frame: Uint8Array, view: PacketView): RefusedPacket {
  const { at } = view;
  if (at + 40 > view.end) return { why: 'cut short', known: 'nothing' };
  view.sourceAt = at + 8;
  view.destinationAt = at + 24;
  const next = byte(frame, at + 6);
  if (next === 44 && at + 48 <= view.end && ((byte(frame, at + 42) << 8) | (byte(frame, at + 43) & 0xf8)) !== 0) {
    return { why: 'a later fragment', known: 'addresses' };
  }
  return { why: whyTransport(next), known: 'addresses' };
}

function whyTransport(protocol: number): string {
  if (protocol === TCP || protocol === UDP)
    return 'cut short, malformed, to port 0, or from an address that no host has';
  return `${NAMES[protocol] ?? `IP protocol ${protocol}`}, neither TCP nor UDP`;
}

function byte(frame: Uint8Array, at: number): number {
  return frame[at] ?? 0;
}
