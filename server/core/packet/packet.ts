/**
 * The packet decoder: (link type, frame) -> what could be a knock. Pure and total: for every input it returns, in time
 * bounded by a constant, having read nothing at or behind `length`. It allocates nothing; the caller owns one view and
 * reads it before the next frame. Headers are link-layer's and network-layer's business.
 */
import { type AddressKey, addressKeyOfBytes } from '../../../shared/address.ts';
import type { Pair } from '../../../shared/knock.ts';
import { unwrapLink } from './link-layer.ts';
import { readNetwork } from './network-layer.ts';

/** Where things are in the frame last decoded. Meaningful only after {@link decodePacket} returned true. */
export interface PacketView {
  /** Where the IP header begins. */
  at: number;
  /** Where the IP packet ends, at most the frame's length. */
  end: number;
  family: 4 | 6;
  /** Where the addresses begin: 4 bytes each for family 4, 16 for family 6. */
  sourceAt: number;
  destinationAt: number;
  /** Protocol and destination port. */
  pair: Pair;
  /** The byte of TCP flags, RFC 9293 3.1; 0 for UDP. */
  flags: number;
  /** What is asked for, not told: every TCP packet, not only a SYN without ACK. */
  anyTcp: boolean;
  /** NFLOG only, and set whatever {@link decodePacket} returns: the number of the message in its group, -1 for none. */
  number: number;
  /** NFLOG only: 1 to 255, when the rule's prefix is such a number; 0 otherwise. */
  tag: number;
}

export function packetView(): PacketView {
  return {
    at: 0,
    end: 0,
    family: 4,
    sourceAt: 0,
    destinationAt: 0,
    pair: 0,
    flags: 0,
    anyTcp: false,
    number: -1,
    tag: 0,
  };
}

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
