/**
 * Detects interception: one one-time sequence knocked from two sources. The owner sends a sequence from one address. A
 * second source that sends most of its knocks has seen it on the network. A source with enough knocks is a contender
 * for the sequence; this file keeps the contenders, `judge.ts` decides what follows.
 *
 * It keeps the first two contenders of a sequence, as long as the sequence is in the index. Every later contender
 * differs from one of these two, so two are enough, and a flood can neither fill the table nor evict anyone. There is
 * no time limit before the opening: a racer who holds back the client's last knock could wait for the end of any limit.
 */
import { type AddressKey, isIpv4 } from '../../shared/address.ts';
import type { LiveSequence } from './matching/live-sequence.ts';

/** Milliseconds after an opening in which a second source shows that the first was a racer; seq_timeout if longer. */
const LATE_MS = 60_000;

/**
 * Knocks after which a source is a contender: two thirds, at least three (all knocks of a shorter sequence). With
 * fewer, a scanner that hits some ports of a sequence by chance could contest it.
 */
export function contestFrom(knocks: number): number {
  return Math.min(knocks, Math.max(3, Math.ceil((knocks * 2) / 3)));
}

/**
 * What counts as one source: an IPv4 address, or the /64 of an IPv6 address, because a host can change its address
 * within the /64 (RFC 8981). 8 or 16 characters.
 */
export function networkOf(source: AddressKey): string {
  return isIpv4(source) ? source : source.slice(0, 8);
}

interface Contenders {
  readonly first: AddressKey;
  second: AddressKey | undefined;
  opened: { readonly source: AddressKey; readonly atMs: number } | undefined;
}

export class Contest {
  /** Weak: an entry ends with its sequence, which live-set or listed-set holds. */
  readonly #contenders = new WeakMap<LiveSequence, Contenders>();

  /** Adds a contender. Returns the first one if this is the second. */
  addContender(sequence: LiveSequence, source: AddressKey): AddressKey | undefined {
    const contenders = this.#contenders.get(sequence);
    if (contenders === undefined) {
      this.#contenders.set(sequence, { first: source, second: undefined, opened: undefined });
      return undefined;
    }
    if (contenders.second !== undefined || networkOf(contenders.first) === networkOf(source)) return undefined;
    contenders.second = source;
    return contenders.first;
  }

  /** A contender from another network than `source`. */
  rivalOf(sequence: LiveSequence, source: AddressKey): AddressKey | undefined {
    const contenders = this.#contenders.get(sequence);
    if (contenders === undefined) return undefined;
    return networkOf(contenders.first) === networkOf(source) ? contenders.second : contenders.first;
  }

  /** Records that the sequence admitted this source. */
  opened(sequence: LiveSequence, source: AddressKey, atMs: number): void {
    const contenders = this.#contenders.get(sequence);
    if (contenders !== undefined) contenders.opened = { source, atMs };
  }

  /** The source that the sequence admitted, if recent enough to be contested. */
  recentlyAdmitted(sequence: LiveSequence, atMs: number): AddressKey | undefined {
    const opened = this.#contenders.get(sequence)?.opened;
    if (opened === undefined || atMs - opened.atMs > Math.max(LATE_MS, sequence.seqTimeoutMs)) return undefined;
    return opened.source;
  }

  /** True when the sequence opened too long ago: a second source now only replays a recording. */
  isOver(sequence: LiveSequence, atMs: number): boolean {
    return this.#contenders.get(sequence)?.opened !== undefined && this.recentlyAdmitted(sequence, atMs) === undefined;
  }
}
