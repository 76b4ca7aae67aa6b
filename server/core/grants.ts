/**
 * Grants: who is let in where, and until when. One for each (door, source): a further knock moves its end, so that there
 * is one opening and one close. Times are monotonic here, so that a clock set back cannot keep a door open; the wall
 * clock's end is carried along for the journal. Opening and closing is the edges' work.
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

  /** Whether a source is let in anywhere. */
  isIn(source: AddressKey): boolean {
    for (const grant of this.#grants.values()) if (grant.source === source) return true;
    return false;
  }

  /** The grant for a knock at `now`: a new one, or the present one with a later end and its first opening time. */
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

  /** Grants whose end has come. */
  due(monoMs: number): readonly Grant[] {
    return this.all.filter(({ endsAtMs }) => endsAtMs <= monoMs);
  }

  /** Monotonic milliseconds of the next end, undefined when nothing is open. */
  get nextEndMs(): number | undefined {
    let next: number | undefined;
    for (const { endsAtMs } of this.#grants.values()) next = Math.min(next ?? endsAtMs, endsAtMs);
    return next;
  }
}

/**
 * What is left of a journaled grant after a restart, milliseconds: never more than `limitMs`, the door's whole grant,
 * whatever the clock says now; 0 or less means overdue.
 */
export function remainingMs(expiresAt: number, limitMs: number, wallMs: number): number {
  return Math.min(expiresAt - wallMs, limitMs);
}

function keyOf(door: string, source: AddressKey): string {
  return `${source}${door}`;
}
