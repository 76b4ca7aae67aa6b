/**
 * Scans: sources that try many ports in a short time. Counts what opens a connection, to distinct ports; answers to this
 * host's own connections are none of it. Knows who has been reported, and how often anybody may be, since whoever forges
 * an address can have it reported; what a report leads to is the edges' business.
 */
import type { AddressKey } from '../../shared/address.ts';
import type { Pair } from '../../shared/knock.ts';

export interface ScanLimits {
  /** Distinct ports that make a scan. */
  readonly threshold: number;
  /** Who is never reported; asked once for so many ports. */
  readonly isExempt: (source: AddressKey) => boolean;
}

export const REPORTS_PER_MINUTE = 10;
/** Milliseconds in which a source that was reported is not reported again. */
export const QUIET_MS = 600_000;
/** Sources whose ports are counted; beyond, whoever has been silent for longest is forgotten. */
export const MAX_WATCHED = 2_048;
const MINUTE_MS = 60_000;

interface Count {
  readonly startedAtMs: number;
  readonly ports: Set<Pair>;
}

export class ScanWatch {
  readonly #limits: ScanLimits;
  /** In the order of the last packet. */
  readonly #counts = new Map<AddressKey, Count>();
  /** When, monotonic milliseconds, in that order. {@link REPORTS_PER_MINUTE} bounds it. */
  readonly #reported = new Map<AddressKey, number>();

  constructor(limits: ScanLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#counts.size;
  }

  /**
   * Takes a packet that would open a connection. `report` when its source has now tried the threshold of ports within
   * `windowMs` of the first one, `many` when that would be a report too many this minute.
   */
  countPort(atMs: number, source: AddressKey, port: Pair, windowMs: number): 'report' | 'many' | undefined {
    const reportedAtMs = this.#reported.get(source);
    if (reportedAtMs !== undefined && atMs - reportedAtMs < QUIET_MS) return undefined;
    const known = this.#counts.get(source);
    this.#counts.delete(source);
    const isOver = known === undefined || atMs - known.startedAtMs > windowMs;
    const count = isOver ? { startedAtMs: atMs, ports: new Set<Pair>() } : known;
    count.ports.add(port);
    if (count.ports.size < this.#limits.threshold) {
      this.#counts.set(source, count);
      this.#forgetSilent();
      return undefined;
    }
    if (this.#limits.isExempt(source)) return undefined;
    for (const [other, whenMs] of this.#reported) if (atMs - whenMs >= QUIET_MS) this.#reported.delete(other);
    const lately = [...this.#reported.values()].filter((whenMs) => atMs - whenMs < MINUTE_MS).length;
    if (lately >= REPORTS_PER_MINUTE) return 'many';
    this.#reported.set(source, atMs);
    return 'report';
  }

  #forgetSilent(): void {
    if (this.#counts.size <= MAX_WATCHED) return;
    for (const silent of this.#counts.keys()) {
      this.#counts.delete(silent);
      return;
    }
  }
}
