/**
 * Which frames a packet socket's queue lost, and which of those that came out of it may stand before the loss and which
 * behind it. Knows the kernel's two counters and how many frames have come; the records are the child's.
 *
 * A counter says that something was lost, not where. A queue that overflows is full, so up to all of its frames still wait
 * when the loss is noticed, and stand before it; what the daemon has not been told yet may stand on either side. Neither can
 * be told then: a knock's first half before the loss and its second half behind it would look like a whole one, without the
 * strays between. They are thrown away with what was lost, until every frame has been read that had been accepted when it
 * was noticed.
 */
import type { Libc } from '../libc.ts';

/** Since they were last read: reading them begins anew. */
export interface SocketCounts {
  /** Frames that the queue took. */
  readonly accepted: number;
  /** Frames that it had no room for. */
  readonly lost: number;
}

const SOL_SOCKET = 1;
const SO_DOMAIN = 39;
const AF_PACKET = 17;
const SOL_PACKET = 263;
const PACKET_STATISTICS = 6;
/** struct tpacket_stats, which that of TPACKET_V3 begins with: tp_packets, among them tp_drops. */
const COUNTS_BYTES = 8;

/**
 * Reads the counters of the packet socket among `descriptors`; undefined where there is none, or more than one: libpcap keeps
 * its own to itself. Each frame that it hands over was accepted; not the other way round, since it keeps some (of loopback
 * one of two).
 */
export function socketCounts(libc: Libc, descriptors: readonly number[]): (() => SocketCounts | undefined) | undefined {
  const [socket, ...more] = descriptors.filter(
    (descriptor) => libc.socketOption(descriptor, SOL_SOCKET, SO_DOMAIN, 4)?.readInt32LE() === AF_PACKET,
  );
  if (socket === undefined || more.length > 0) return undefined;
  return () => {
    const counts = libc.socketOption(socket, SOL_PACKET, PACKET_STATISTICS, COUNTS_BYTES);
    if (counts?.length !== COUNTS_BYTES) return undefined;
    const lost = counts.readUInt32LE(4);
    return { accepted: counts.readUInt32LE(0) - lost, lost };
  };
}

export class RingLosses {
  readonly #read: () => SocketCounts;
  #accepted = 0;
  #doubtfulUntil = 0;
  #lostMeanwhile = 0;

  /** @param read the counters since the socket was made, and then since the last call; may end the process when it cannot */
  constructor(read: () => SocketCounts) {
    this.#read = read;
  }

  /**
   * Frames lost since the last call. To be called before anything is told: when it is more than 0, nothing of what waits to
   * be told may be, nor any frame that is {@link doubtful}.
   */
  look(): number {
    const lost = this.#lostMeanwhile + this.#count();
    // The kernel reads its two counters one after the other: what it accepted in between may stand before the loss too.
    this.#lostMeanwhile = lost > 0 ? this.#count() : 0;
    if (lost > 0) this.#doubtfulUntil = this.#accepted;
    return lost;
  }

  /** The number of the last frame that may stand before a loss; to be given to {@link emptied}. */
  get doubtfulUntil(): number {
    return this.#doubtfulUntil;
  }

  /** Whether the frame of that number, the first being 1, may stand before a loss that was noticed. */
  doubtful(frame: number): boolean {
    return frame <= this.#doubtfulUntil;
  }

  /** The queue was seen empty after a loss was noticed that left `until`: all before that loss has been read. */
  emptied(until: number): void {
    if (this.#doubtfulUntil === until) this.#doubtfulUntil = 0;
  }

  #count(): number {
    const { accepted, lost } = this.#read();
    this.#accepted += accepted;
    return lost;
  }
}
