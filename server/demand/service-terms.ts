/**
 * What is to be known of a service to start and to stop it: from the configuration, or from the journal, where the terms
 * under which a service was started are kept, so that one whose door is gone is stopped all the same.
 */

export interface ServiceTerms {
  /** As configured; split into words without a shell unless `shell` says so. They are the same for everyone. */
  readonly start: string;
  readonly stop: string;
  readonly shell?: boolean;
  readonly runAs?: string;
  /** TCP ports whose connections tell whether it is in use. */
  readonly ports: readonly number[];
  /** Milliseconds without a connection, a login and a grant, after which it is stopped. */
  readonly idleMs: number;
  /** Stopped too when it was running before any knock. */
  readonly adopts?: boolean;
  /** How long each command may take; absent: 30 s. */
  readonly timeoutMs?: number;
}

/** Undefined for what {@link formatTerms} did not write. */
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
