/**
 * Throttling, RFC 4226 section 7.3: counts how often a source has failed at a door. A failure is a completed sequence
 * that was refused as used, outside its window, or contested. Only who has seen or owns a sequence can cause one; stray
 * packets never do. Lock-outs double, as the delays of the RFC do.
 *
 * A lock-out means little on purpose (`judge.ts`): an attacker who repeats a recording can forge the client's address,
 * so a fresh valid sequence is never locked out. Nothing here has to survive a restart: the spent factors do, and
 * refuse the same repeats.
 */
import type { AddressKey } from '../../shared/address.ts';
import { networkOf } from './contest.ts';

export interface ThrottleLimits {
  /** Failures that are forgiven; the next one locks out. 0: no lock-outs. */
  readonly failures: number;
  /** Milliseconds of the first lock-out, and without failures until the count starts again. */
  readonly timeMs: number;
}

/** No lock-outs. */
export const NO_THROTTLE: ThrottleLimits = { failures: 0, timeMs: 0 };

/** Maximum of a lock-out, milliseconds, unless the first one is longer. */
const LONGEST_MS = 3_600_000;
/** Records by network and door. Beyond it, the record with the oldest failure is forgotten and starts again at 0. */
export const MAX_REMEMBERED = 4_096;

interface Record {
  readonly failures: number;
  /** End of the lock-out, monotonic milliseconds; without a lock-out, the time of the last failure. */
  readonly untilMs: number;
}

export class Throttle {
  readonly #limits: ThrottleLimits;
  /** By network and door, in the order of the last failure. */
  readonly #records = new Map<string, Record>();

  constructor(limits: ThrottleLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#records.size;
  }

  isLockedOut(door: string, source: AddressKey, nowMs: number): boolean {
    const record = this.#records.get(recordKey(door, source));
    return record !== undefined && nowMs < record.untilMs;
  }

  /** Counts a failure. Returns the milliseconds of the lock-out that follows, 0 for none. */
  fail(door: string, source: AddressKey, nowMs: number): number {
    const { failures, timeMs } = this.#limits;
    if (failures === 0) return 0;
    const key = recordKey(door, source);
    const known = this.#records.get(key);
    const isForgotten = known === undefined || nowMs >= known.untilMs + timeMs;
    const count = isForgotten ? 1 : known.failures + 1;
    const lockMs = count > failures ? lockOutMs(count - failures, timeMs) : 0;
    this.#records.delete(key);
    this.#records.set(key, { failures: count, untilMs: nowMs + lockMs });
    this.#forgetOldest();
    return lockMs;
  }

  /** Clears the record: a fresh sequence of this source was accepted, so it does not guess. */
  succeed(door: string, source: AddressKey): void {
    this.#records.delete(recordKey(door, source));
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

/** Key of a record: by network, because a host could use a new address of its /64 for each failure. */
export function recordKey(door: string, source: AddressKey): string {
  const network = networkOf(source);
  return `${network.length} ${network}${door}`;
}
