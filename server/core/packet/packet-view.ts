/**
 * The packet decoder's result: positions in the frame, and the pair of the packet. The caller owns and reuses one view.
 */
import type { Pair } from '../../../shared/knock.ts';

/** Positions in the frame last decoded. Valid only after {@link decodePacket} returned true. */
export interface PacketView {
  /** Start of the IP header. */
  at: number;
  /** End of the IP packet, at most the frame's length. */
  end: number;
  family: 4 | 6;
  /** Start of the addresses: 4 bytes each for family 4, 16 for family 6. */
  sourceAt: number;
  destinationAt: number;
  /** Protocol and destination port. */
  pair: Pair;
  /** The byte of TCP flags, RFC 9293 3.1; 0 for UDP. */
  flags: number;
  /** Input, set by the caller: accept every TCP packet, not only a SYN without ACK. */
  anyTcp: boolean;
  /** NFLOG only, valid also when {@link decodePacket} returns false: the message's number in its group, -1 for none. */
  number: number;
  /** NFLOG only: 1 to 255 if the rule's prefix is such a number; 0 otherwise. */
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
