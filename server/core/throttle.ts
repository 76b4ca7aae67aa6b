/**
 * Throttling, RFC 4226 section 7.3: how often a source has failed at a door. A failure is a completed sequence that was
 * refused because it was used, or out of its window, or known to two: only who has seen or owns a sequence can cause one,
 * stray packets never do. Lock-outs double, as the delays of the RFC do.
 *
 * What a lock-out means is the judge's business, and it means little on purpose: whoever repeats what he has recorded can
 * forge the client's address, so a fresh valid sequence is never locked out. Nothing here has to survive a restart: what is
 * spent does, and refuses the same repeats.
 */
import type { AddressKey } from '../../shared/address.ts';
import { networkOf } from './contest.ts';

export interface ThrottleLimits {
  /** Failures that are forgiven; the next one locks out. 0: nobody is ever locked out. */
  readonly failures: number;
  /** Milliseconds of the first lock-out, and of the quiet after which failures are forgotten. */
  readonly timeMs: number;
}

/** Nobody is ever locked out. */
export const NO_THROTTLE: ThrottleLimits = { failures: 0, timeMs: 0 };

/** The longest lock-out, milliseconds, unless the first one is longer. */
const LONGEST_MS = 3_600_000;
/** Sources and doors that are remembered. Beyond, whoever has been quiet for longest is forgotten, and starts anew. */
export const MAX_REMEMBERED = 4_096;

interface Record {
  readonly failures: number;
  /** Monotonic milliseconds of the end of the lock-out; of the last failure, where that led to none. */
  readonly untilMs: number;
}

export class Throttle {
  readonly #limits: ThrottleLimits;
  /** By network and door; in the order of the last failure. */
  readonly #records = new Map<string, Record>();

  constructor(limits: ThrottleLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#records.size;
  }

  isLockedOut(door: string, source: AddressKey, nowMs: number): boolean {
    const record = this.#records.get(placeOf(door, source));
    return record !== undefined && nowMs < record.untilMs;
  }

  /** Counts a failure. Returns the milliseconds of the lock-out that it leads to, 0 when none. */
  fail(door: string, source: AddressKey, nowMs: number): number {
    const { failures, timeMs } = this.#limits;
    if (failures === 0) return 0;
    const key = placeOf(door, source);
    const known = this.#records.get(key);
    const isForgotten = known === undefined || nowMs >= known.untilMs + timeMs;
    const count = isForgotten ? 1 : known.failures + 1;
    const lockMs = count > failures ? lockOutMs(count - failures, timeMs) : 0;
    this.#records.delete(key);
    this.#records.set(key, { failures: count, untilMs: nowMs + lockMs });
    this.#forgetOldest();
    return lockMs;
  }

  /** A fresh sequence was let in: its source is no guesser. */
  succeed(door: string, source: AddressKey): void {
    this.#records.delete(placeOf(door, source));
  }

  #forgetOldest(): void {
    if (this.#records.size <= MAX_REMEMBERED) return;
    for (const oldest of this.#records.keys()) {
      this.#records.delete(oldest);
      return;
    }
  }
}

function lockOutMs(failuresBeyond: number, timeMs: number): number {
  return Math.min(timeMs * 2 ** (failuresBeyond - 1), Math.max(LONGEST_MS, timeMs));
}

/** A host with a /64 could else have a new address for each failure. */
export function placeOf(door: string, source: AddressKey): string {
  const network = networkOf(source);
  return `${network.length} ${network}${door}`;
}
