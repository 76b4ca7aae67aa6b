/** What starting and stopping services have in common: what they touch of the world, and which services are known. */
import type { Clock } from '../clock/clock.ts';
import type { Log } from '../log/log.ts';
import type { Running } from './running-service.ts';
import type { ServiceReadings } from './service-inspection.ts';
import type { ServiceTerms } from './service-terms.ts';

export interface ServiceEdges {
  /** Rejects when it cannot be read. */
  readonly read: (ports: ReadonlySet<number>) => Promise<ServiceReadings>;
  readonly run: (door: string, terms: ServiceTerms, verb: 'start' | 'stop') => Promise<void>;
  /** Names this start of the machine; undefined where that is not known. */
  readonly bootId: () => Promise<string | undefined>;
}

export interface ServiceWork {
  readonly clock: Clock;
  readonly log: Log;
  readonly edges: ServiceEdges;
}

export interface KnownServices {
  /** Those that are ours to stop, by door and stop command. */
  readonly running: Map<string, Running>;
  /** Doors whose service runs and is somebody else's. */
  readonly others: Set<string>;
}
