/**
 * Keeps the grants: which source is admitted at which door, and until when. One grant for each (door, source): a
 * further knock moves its end, so that there is one opening and one close. Ends are monotonic times, so that a clock
 * set back cannot keep a door open; the end by the wall clock is for the journal. The daemon opens and closes.
 */
import type { AddressKey } from '../../shared/address.ts';

export interface Grant {
  readonly door: string;
  readonly source: AddressKey;
  readonly client: string;
  /** Unix milliseconds. */
  readonly openedAt: number;
  readonly expiresAt: number;
  /** Monotonic milliseconds of the end. */
  readonly endsAtMs: number;
}

export interface Now {
  /** Unix milliseconds. */
  readonly wallMs: number;
  /** Monotonic milliseconds. */
  readonly monoMs: number;
}

export class Grants {
  readonly #grants = new Map<string, Grant>();

  get all(): readonly Grant[] {
    return [...this.#grants.values()];
  }

  get size(): number {
    return this.#grants.size;
  }

  get(door: string, source: AddressKey): Grant | undefined {
    return this.#grants.get(keyOf(door, source));
  }

  /** Whether a source has a grant at any door. */
  hasSource(source: AddressKey): boolean {
    for (const grant of this.#grants.values()) if (grant.source === source) return true;
    return false;
  }

  /** The grant for a knock at `now`: a new one, or the present one with a new end and its first opening time. */
  extended(door: string, source: AddressKey, client: string, durationMs: number, now: Now): Grant {
    const present = this.get(door, source);
    return {
      door,
      source,
      client,
      openedAt: present?.openedAt ?? now.wallMs,
      expiresAt: now.wallMs + durationMs,
      endsAtMs: now.monoMs + durationMs,
    };
  }

  set(grant: Grant): void {
    this.#grants.set(keyOf(grant.door, grant.source), grant);
  }

  remove(door: string, source: AddressKey): void {
    this.#grants.delete(keyOf(door, source));
  }

  /** Grants that have ended by `monoMs`. */
  due(monoMs: number): readonly Grant[] {
    return this.all.filter(({ endsAtMs }) => endsAtMs <= monoMs);
  }

  /** The next end, monotonic milliseconds; undefined without grants. */
  get nextEndMs(): number | undefined {
    let next: number | undefined;
    for (const { endsAtMs } of this.#grants.values()) next = Math.min(next ?? endsAtMs, endsAtMs);
    return next;
  }
}

/**
 * Milliseconds left of a journaled grant after a restart. At most `limitMs`, the door's whole grant time, even if the
 * clock was set back; 0 or less means overdue.
 */
export function remainingMs(expiresAt: number, limitMs: number, wallMs: number): number {
  return Math.min(expiresAt - wallMs, limitMs);
}

function keyOf(door: string, source: AddressKey): string {
  return `${source}${door}`;
}
