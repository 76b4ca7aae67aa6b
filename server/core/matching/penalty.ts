/**
 * Penalties: after a wrong combination, its source is ignored at that door for a while, as in the first port-knocking
 * scripts. Keeps the ignored sources. Off by default; a door turns it on.
 *
 * A wrong combination: a run of the source's newest packets, within seq_timeout, held half of a live sequence's knocks
 * (at least two; the first ones, if the sequence is strict) and the allowed number of strays, and now holds one stray
 * more.
 */
import type { AddressKey } from '../../../shared/address.ts';
import { recordKey } from '../throttle.ts';

/** Maximum of (network, door) entries. Beyond it, the oldest penalty is lifted. */
export const MAX_IGNORED = 4_096;

/** Knocks after which a combination can be wrong. A sequence of one or two knocks is complete by then. */
export function penaltyFrom(knocks: number): number {
  return Math.min(knocks, Math.max(2, Math.ceil(knocks / 2)));
}

export class Penalties {
  /** End of the penalty by network and door, monotonic milliseconds. In the order of the last wrong combination. */
  readonly #ends = new Map<string, number>();

  get size(): number {
    return this.#ends.size;
  }

  punish(door: string, source: AddressKey, atMs: number, penaltyMs: number): void {
    const key = recordKey(door, source);
    this.#ends.delete(key);
    this.#ends.set(key, atMs + penaltyMs);
    if (this.#ends.size <= MAX_IGNORED) return;
    for (const oldest of this.#ends.keys()) {
      this.#ends.delete(oldest);
      return;
    }
  }

  /** Whether a run began while its source was ignored. Packets of that time do not count. */
  isIgnored(door: string, source: AddressKey, startedAtMs: number): boolean {
    return startedAtMs < (this.#ends.get(recordKey(door, source)) ?? Number.NEGATIVE_INFINITY);
  }
}
