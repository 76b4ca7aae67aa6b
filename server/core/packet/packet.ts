/**
 * The packet decoder: decides whether a captured frame can be a knock, and fills the view. It is pure and total: for
 * every input it returns in constant time and reads nothing at or behind `length`. It allocates nothing: the caller
 * owns one view and reads it before the next frame. `link-layer.ts` and `network-layer.ts` read the headers.
 */
import { type AddressKey, addressKeyOfBytes } from '../../../shared/address.ts';
import { unwrapLink } from './link-layer.ts';
import { readNetwork } from './network-layer.ts';
import type { PacketView } from './packet-view.ts';

/**
 * True when `frame[0, length)` is a TCP SYN without ACK (with `view.anyTcp` any TCP packet) or a UDP datagram,
 * unfragmented or a first fragment, from a source address that a client can have. It then fills `view`.
 * @param length a value above the frame's length is reduced to it; below 0 counts as 0
 */
export function decodePacket(linkType: number, frame: Uint8Array, length: number, view: PacketView): boolean {
  const within = Math.min(length, frame.length);
  return unwrapLink(linkType, frame, within, view) && readNetwork(frame, view);
}

/** The key of the address at `at`. It allocates, so it is not for the packet path. */
export function addressAt(frame: Uint8Array, at: number, family: 4 | 6): AddressKey {
  return addressKeyOfBytes(frame.subarray(at, at + (family === 4 ? 4 : 16)));
}
