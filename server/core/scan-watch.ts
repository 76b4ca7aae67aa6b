/**
 * Detects port scans: sources that try many distinct ports in a short time. Counts only packets that open a connection,
 * so answers to this host's own connections do not count. Limits the reports, for each source and for each minute,
 * because an attacker who forges an address can have it reported. The daemon decides what a report leads to.
 */
import type { AddressKey } from '../../shared/address.ts';
import type { Pair } from '../../shared/knock.ts';

export interface ScanLimits {
  /** Distinct ports that make a scan. */
  readonly threshold: number;
  /** Whether a source is never reported. Called once the source has reached the threshold. */
  readonly isExempt: (source: AddressKey) => boolean;
}

export const REPORTS_PER_MINUTE = 10;
/** Milliseconds after a report in which its source is not reported again. */
export const QUIET_MS = 600_000;
/** Sources whose ports are counted. Beyond it, the source that has been silent longest is forgotten. */
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
  /** Time of the report by source, monotonic milliseconds, oldest first. {@link REPORTS_PER_MINUTE} bounds it. */
  readonly #reported = new Map<AddressKey, number>();

  constructor(limits: ScanLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#counts.size;
  }

  /**
   * Counts a packet that would open a connection. `report` when its source has now tried the threshold of ports within
   * `windowMs` of the first one; `many` when this minute's reports are used up.
   */
  countPort(atMs: number, source: AddressKey, port: Pair, windowMs: number): 'report' | 'many' | undefined {
    const reportedAtMs = this.#reported.get(source);
    if (reportedAtMs !== undefined && atMs - reportedAtMs < QUIET_MS) return undefined;
    const known = this.#counts.get(source);
    this.#counts.delete(source);
    const isExpired = known === undefined || atMs - known.startedAtMs > windowMs;
    const count = isExpired ? { startedAtMs: atMs, ports: new Set<Pair>() } : known;
    count.ports.add(port);
    if (count.ports.size < this.#limits.threshold) {
      this.#counts.set(source, count);
      this.#forgetSilent();
      return undefined;
    }
    if (this.#limits.isExempt(source)) return undefined;
    for (const [other, whenMs] of this.#reported) if (atMs - whenMs >= QUIET_MS) this.#reported.delete(other);
    const inLastMinute = [...this.#reported.values()].filter((whenMs) => atMs - whenMs < MINUTE_MS).length;
    if (inLastMinute >= REPORTS_PER_MINUTE) return 'many';
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
