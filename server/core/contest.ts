/**
 * Interception: one one-time sequence that is knocked from two sources. A sequence has one owner, who sends it from one
 * address; a second source that shows most of it has seen it on the way. Knows who showed how much of which sequence;
 * what follows from that is the judge's business.
 *
 * Of each sequence the first two sources are kept, for as long as the sequence is in the index, and no more: whoever comes
 * later finds one of the two to be another than himself, so a flood can neither fill this table nor push anybody out. There
 * is no time limit: a racer who stops the last knock of a client could wait for the end of any.
 */
import { type AddressKey, isIpv4 } from '../../shared/address.ts';
import type { LiveSequence } from './matching/live-sequence.ts';

/** Milliseconds after an opening in which a second source says that the first was a racer; seq_timeout where longer. */
const LATE_MS = 60_000;

/**
 * Knocks that a source must have shown before it counts: two thirds, at least three. Fewer would let a scanner, who meets
 * some ports of a sequence by chance, contest what he does not know.
 */
export function contestFrom(knocks: number): number {
  return Math.min(knocks, Math.max(3, Math.ceil((knocks * 2) / 3)));
}

/**
 * What counts as one source: an IPv4 address, or the /64 of an IPv6 address, in which a host changes its address as it
 * likes (RFC 8981). 8 or 16 characters.
 */
export function networkOf(source: AddressKey): string {
  return isIpv4(source) ? source : source.slice(0, 8);
}

interface Sides {
  readonly first: AddressKey;
  second: AddressKey | undefined;
  opened: { readonly source: AddressKey; readonly atMs: number } | undefined;
}

export class Contest {
  /** Weak: what is known of a sequence ends with the sequence, which live-set and listed-set hold. */
  readonly #sides = new WeakMap<LiveSequence, Sides>();

  /** The source has shown that it knows the sequence. Returns the other source if this is the first sign of a second one. */
  show(sequence: LiveSequence, source: AddressKey): AddressKey | undefined {
    const sides = this.#sides.get(sequence);
    if (sides === undefined) {
      this.#sides.set(sequence, { first: source, second: undefined, opened: undefined });
      return undefined;
    }
    if (sides.second !== undefined || networkOf(sides.first) === networkOf(source)) return undefined;
    sides.second = source;
    return sides.first;
  }

  /** Another source than this one that has shown that it knows the sequence. */
  rivalOf(sequence: LiveSequence, source: AddressKey): AddressKey | undefined {
    const sides = this.#sides.get(sequence);
    if (sides === undefined) return undefined;
    return networkOf(sides.first) === networkOf(source) ? sides.second : sides.first;
  }

  /** The sequence has let this source in. */
  opened(sequence: LiveSequence, source: AddressKey, atMs: number): void {
    const sides = this.#sides.get(sequence);
    if (sides !== undefined) sides.opened = { source, atMs };
  }

  /** Whom the sequence has let in, so lately that a second source would have been in time; undefined when nobody. */
  lately(sequence: LiveSequence, atMs: number): AddressKey | undefined {
    const opened = this.#sides.get(sequence)?.opened;
    if (opened === undefined || atMs - opened.atMs > Math.max(LATE_MS, sequence.seqTimeoutMs)) return undefined;
    return opened.source;
  }

  /** Whether the sequence was spent too long ago for a second source to mean more than that it was recorded. */
  isOver(sequence: LiveSequence, atMs: number): boolean {
    return this.#sides.get(sequence)?.opened !== undefined && this.lately(sequence, atMs) === undefined;
  }
}
