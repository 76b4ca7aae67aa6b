/** What the packet decoder found: places in the frame, and the pair that the packet is addressed to. The caller owns one view. */
import type { Pair } from '../../../shared/knock.ts';

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
