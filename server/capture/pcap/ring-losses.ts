/**
 * Tracks the losses of a packet socket's queue: how many frames were lost, and which of the others may be from before a
 * loss. Uses the kernel's two counters and the number of frames read.
 *
 * A counter tells that frames were lost, not where. A queue that overflows is full: when the loss is noticed, up to all its
 * frames still wait, and they are from before the loss. Records not yet sent may be from before or after it. Neither may be
 * sent: the first half of a knock before the loss and its second half after it would look like a whole knock, without the
 * strays between. So they are discarded with the lost frames, until every frame has been read that the queue had accepted
 * when the loss was noticed.
 */
import type { Libc } from '../libc.ts';

/** Counts since the last reading, because the kernel resets the counters when they are read. */
export interface SocketCounts {
  /** Frames that the queue accepted. */
  readonly accepted: number;
  /** Frames dropped because the queue was full. */
  readonly lost: number;
}

const SOL_SOCKET = 1;
const SO_DOMAIN = 39;
const AF_PACKET = 17;
const SOL_PACKET = 263;
const PACKET_STATISTICS = 6;
/** struct tpacket_stats, also the beginning of TPACKET_V3's: tp_packets (drops included) and tp_drops. */
const COUNTS_BYTES = 8;

/**
 * Returns a reader for the counters of the packet socket among `descriptors`. Undefined unless there is exactly one, because
 * libpcap does not tell which is its own. Each frame that libpcap delivers was accepted; but it does not deliver all (on
 * loopback one of two).
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
  #lostBetween = 0;

  /** @param read returns the counts since its last call, first since the socket's creation; may end the process */
  constructor(read: () => SocketCounts) {
    this.#read = read;
  }

  /**
   * Frames lost since the last call. Call it before records are sent: if it is more than 0, neither the waiting records nor
   * a {@link doubtful} frame may be sent.
   */
  look(): number {
    const lost = this.#lostBetween + this.#count();
    // The kernel reads its two counters one after the other: frames accepted in between may be from before the loss too.
    this.#lostBetween = lost > 0 ? this.#count() : 0;
    if (lost > 0) this.#doubtfulUntil = this.#accepted;
    return lost;
  }

  /** The number of the last frame that may be from before a loss; pass it to {@link emptied}. */
  get doubtfulUntil(): number {
    return this.#doubtfulUntil;
  }

  /** Whether the frame with this number (the first is 1) may be from before a noticed loss. */
  doubtful(frame: number): boolean {
    return frame <= this.#doubtfulUntil;
  }

  /** Call it when the queue was empty after the loss that set `until`: all frames before that loss have been read. */
  emptied(until: number): void {
    if (this.#doubtfulUntil === until) this.#doubtfulUntil = 0;
  }

  #count(): number {
    const { accepted, lost } = this.#read();
    this.#accepted += accepted;
    return lost;
  }
}
