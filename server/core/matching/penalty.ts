/**
 * Penalties: a source that was half way through a sequence and then went wrong is ignored at that door for a while, as in
 * the first port-knocking scripts. Knows what a wrong combination is and who is being ignored; off unless a door asks.
 *
 * A wrong combination: a run of the source's newest packets, no longer than seq_timeout, held half of a live sequence's
 * knocks (at least two; the first ones, where it is strict) and as many strays as are forgiven, and now holds one more.
 */
import type { AddressKey } from '../../../shared/address.ts';
import { placeOf } from '../throttle.ts';
/** Sources and doors; beyond, the one whose penalty was given first is forgiven. */
export const MAX_IGNORED = 4_096;

/** The knocks from which on a source can go wrong. A sequence of one or two is complete by then. */
export function penaltyFrom(knocks: number): number {
  return Math.min(knocks, Math.max(2, Math.ceil(knocks / 2)));
}

export class Penalties {
  /** By network and door: the end, monotonic milliseconds. In the order of the last wrong combination. */
  readonly #ends = new Map<string, number>();

  get size(): number {
    return this.#ends.size;
  }

  punish(door: string, source: AddressKey, atMs: number, penaltyMs: number): void {
    const place = placeOf(door, source);
    this.#ends.delete(place);
    this.#ends.set(place, atMs + penaltyMs);
    if (this.#ends.size <= MAX_IGNORED) return;
    for (const first of this.#ends.keys()) {
      this.#ends.delete(first);
      return;
    }
  }

  /** Whether a run that began then began while its source was ignored: packets of that time count for nothing. */
  isIgnored(door: string, source: AddressKey, startedAtMs: number): boolean {
    return startedAtMs < (this.#ends.get(placeOf(door, source)) ?? Number.NEGATIVE_INFINITY);
  }
}
