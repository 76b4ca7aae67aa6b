/**
 * The packet decoder: (link type, frame) -> what could be a knock. Pure and total: for every input it returns, in time
 * bounded by a constant, having read nothing at or behind `length`. It allocates nothing; the caller owns one view and
 * reads it before the next frame. Headers are link-layer's and network-layer's business.
 */
import { type AddressKey, addressKeyOfBytes } from '../../../shared/address.ts';
import { unwrapLink } from './link-layer.ts';
import { readNetwork } from './network-layer.ts';
import type { PacketView } from './packet-view.ts';

/**
 * True when `frame[0, length)` is a TCP SYN without ACK (any TCP packet where `view.anyTcp`) or a UDP datagram, a first
 * fragment, from a source that could be let in; `view` then says the rest. A `length` that is not within the frame is taken as its nearer end.
 */
export function decodePacket(linkType: number, frame: Uint8Array, length: number, view: PacketView): boolean {
  const within = Math.min(length, frame.length);
  return unwrapLink(linkType, frame, within, view) && readNetwork(frame, view);
}

/** The key of the address at `at`; for whoever needs one packet, not a flood of them. */
export function addressAt(frame: Uint8Array, at: number, family: 4 | 6): AddressKey {
  return addressKeyOfBytes(frame.subarray(at, at + (family === 4 ? 4 : 16)));
}
