/**
 * The terms of a service: how to start and stop it, and when it is idle. They come from the configuration. The journal
 * stores them too, so that a service whose door was removed is still stopped.
 */

export interface ServiceTerms {
  /** As configured; split into words without a shell unless `shell` is set. The same for every source. */
  readonly start: string;
  readonly stop: string;
  readonly shell?: boolean;
  readonly runAs?: string;
  /** TCP ports whose connections show whether the service is in use. */
  readonly ports: readonly number[];
  /** Milliseconds without a connection, a login and a grant after which the service is stopped. */
  readonly idleMs: number;
  /** Also stop it if it was running before any knock. */
  readonly adopts?: boolean;
  /** How long each command may take; absent: 30 s. */
  readonly timeoutMs?: number;
}

/** Undefined for a text that {@link formatTerms} did not write. */
export function parseTerms(text: string): ServiceTerms | undefined {
  try {
    const { start, stop, shell, runAs, ports, idleMs, adopts, timeoutMs } = JSON.parse(text) as Partial<ServiceTerms>;
    if (typeof start !== 'string' || typeof stop !== 'string' || typeof idleMs !== 'number') return undefined;
    if (!Array.isArray(ports) || !ports.every((port) => Number.isInteger(port))) return undefined;
    return {
      ...{ start, stop, ports, idleMs },
      ...(shell === true ? { shell } : {}),
      ...(typeof runAs === 'string' ? { runAs } : {}),
      ...(adopts === true ? { adopts } : {}),
      ...(typeof timeoutMs === 'number' ? { timeoutMs } : {}),
    };
  } catch {
    return undefined;
  }
}

export function formatTerms(terms: ServiceTerms): string {
  const { start, stop, shell, runAs, ports, idleMs, adopts, timeoutMs } = terms;
  return JSON.stringify({ start, stop, shell, runAs, ports, idleMs, adopts, timeoutMs });
}
