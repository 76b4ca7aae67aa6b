/** What starts and stops of services share: access to this machine, and the known services. */
import type { Clock } from '../clock/clock.ts';
import type { Log } from '../log/log.ts';
import type { Running } from './running-service.ts';
import type { ServiceReadings } from './service-inspection.ts';
import type { ServiceTerms } from './service-terms.ts';

export interface ServiceEdges {
  /** Rejects when the connections cannot be read. */
  readonly read: (ports: ReadonlySet<number>) => Promise<ServiceReadings>;
  readonly run: (door: string, terms: ServiceTerms, verb: 'start' | 'stop') => Promise<void>;
  /** An id of this boot of the machine; undefined where it is not known. */
  readonly bootId: () => Promise<string | undefined>;
}

export interface ServiceWork {
  readonly clock: Clock;
  readonly log: Log;
  readonly edges: ServiceEdges;
}

export interface KnownServices {
  /** Services that knock-otpd has to stop, by door and stop command. */
  readonly running: Map<string, Running>;
  /** Doors whose service runs, but was started by another program. */
  readonly others: Set<string>;
}
