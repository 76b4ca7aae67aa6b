/**
 * A service that a door has started: the daemon's record of it, as a row of the journal and as a status. Pure;
 * `services.ts` decides when the service is started, checked and stopped.
 */
import type { ServiceLook, ServiceState } from '../core/demand.ts';
import type { Now } from '../core/grants.ts';
import type { JournaledService } from '../store/store.ts';
import { commandMs } from './service-commands.ts';
import type { ServiceReadings } from './service-inspection.ts';
import { formatTerms, type ServiceTerms } from './service-terms.ts';

/** For `status`, `watch` and the metrics. */
export interface ServiceStatus {
  readonly door: string;
  /** `other`: it runs, but knock-otpd did not start it. `unknown`: its connections cannot be read. */
  readonly state: 'stopped' | 'starting' | 'running' | 'stopping' | 'other' | 'unknown';
  /** Unix milliseconds of the start, if knock-otpd started it. */
  readonly since?: number;
  readonly connections?: number;
  /** Absent while the service is in use. */
  readonly idleSeconds?: number;
  readonly stopsInSeconds?: number;
}

export interface Running {
  readonly door: string;
  terms: ServiceTerms;
  /** Unix milliseconds. */
  readonly startedAt: number;
  state: ServiceState;
  isStopping: boolean;
  /** Monotonic milliseconds of the start, if it succeeded in this process. */
  startedMs: number | undefined;
  failures: number;
  retryAtMs: number;
  connections: number | undefined;
  journaled: string;
}

/** The record of a service that is about to be journaled and started. */
export function newlyStarted(door: string, terms: ServiceTerms, { wallMs, monoMs }: Now): Running {
  return {
    ...{ door, terms, startedAt: wallMs, isStopping: false, startedMs: undefined, failures: 0, retryAtMs: 0 },
    state: { wasSeen: false, missing: 0, idleSinceMs: monoMs },
    ...{ connections: undefined, journaled: '' },
  };
}

/** The record of a service that an earlier run of the daemon started and left running. */
export function restored(row: JournaledService, terms: ServiceTerms, now: Now): Running {
  const idleForMs = row.idleSince === undefined ? undefined : Math.max(0, now.wallMs - row.idleSince);
  return {
    ...{ door: row.door, terms, startedAt: row.startedAt, isStopping: row.stopping, startedMs: undefined },
    state: {
      wasSeen: row.seen || row.stopping,
      missing: 0,
      // It was busy, and no daemon has checked it since. So its idle time starts now.
      idleSinceMs: idleForMs === undefined ? undefined : now.monoMs - idleForMs,
    },
    // A stop command that was left alone by a kill may be about to do its work.
    ...{ failures: 0, retryAtMs: row.stopping ? now.monoMs + commandMs(terms) : 0 },
    ...{ connections: undefined, journaled: '' },
  };
}

/** The row, and a text that differs from the text of the last row when the journal needs the new one. */
export function journalRow(running: Running, boot: string, { wallMs, monoMs }: Now) {
  const { door, terms, startedAt, state, isStopping } = running;
  const idleSince = state.idleSinceMs === undefined ? undefined : Math.round(wallMs - (monoMs - state.idleSinceMs));
  // Rounded: the two clocks drift by parts of a second, which is no reason to write.
  const coarse = idleSince === undefined ? 'busy' : Math.round((state.idleSinceMs ?? 0) / 100);
  const row: JournaledService = {
    ...{ door, stop: terms.stop, terms: formatTerms(terms), startedAt, boot },
    ...(idleSince === undefined ? {} : { idleSince: Math.max(0, idleSince) }),
    ...{ seen: state.wasSeen, stopping: isStopping },
  };
  return { row, text: JSON.stringify({ ...row, idleSince: coarse }) };
}

/** The key of a service. Not the door alone: a reload can give the door another service while this one runs. */
export function keyOf(door: string, stop: string): string {
  return `${door}\0${stop}`;
}

export function lookOf(
  { uses, lastLogin }: ServiceReadings,
  { ports }: ServiceTerms,
  { wallMs, monoMs }: Now,
): ServiceLook {
  const used = ports.flatMap((port) => uses.get(port) ?? []);
  return {
    listening: used.some(({ listening }) => listening),
    connections: used.reduce((sum, { connections }) => sum + connections, 0),
    ...(lastLogin === undefined ? {} : { lastLoginMs: monoMs - (wallMs - lastLogin) }),
  };
}

export function describe(running: Running, now: Now): ServiceStatus {
  const { door, terms, startedAt, state, isStopping, connections } = running;
  const idleMs = state.idleSinceMs === undefined ? undefined : Math.max(0, now.monoMs - state.idleSinceMs);
  return {
    ...{ door, since: startedAt },
    state: isStopping ? 'stopping' : state.wasSeen ? 'running' : 'starting',
    ...(connections === undefined ? {} : { connections }),
    ...(idleMs === undefined
      ? {}
      : {
          idleSeconds: Math.floor(idleMs / 1000),
          stopsInSeconds: Math.max(0, Math.ceil((terms.idleMs - idleMs) / 1000)),
        }),
  };
}
