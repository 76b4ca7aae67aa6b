/**
 * How the daemon is put together: its parts, from top to bottom in the order in which data flows through them. Nothing
 * starts here; `daemon.ts` starts, ticks and stops the parts.
 *
 *   configuration ──> engine ──> spend, open, close ──> dispatch of effects ──> packet path <── capture
 *
 * A packet goes through these the other way round, by calls: capture, packet path, engine, dispatch, admissions.
 */
import type { AddressKey } from '../../shared/address.ts';
import type { Clock } from '../clock/clock.ts';
import type { DerivedDoor, ServerConfig } from '../config/config.ts';
import { policiesOf } from '../config/door-policies.ts';
import type { Enrolment } from '../core/door.ts';
import { Engine } from '../core/engine.ts';
import { DEFAULT_LIMITS } from '../core/matching/matcher.ts';
import type { ServiceEdges } from '../demand/service-deps.ts';
import { serviceEdges } from '../demand/service-edges.ts';
import { ServicesOnDemand } from '../demand/services.ts';
import { LiveTrace } from '../explain/live-trace.ts';
import type { Firewall } from '../firewall/firewall.ts';
import type { Log } from '../log/log.ts';
import type { LineStriker } from '../one-time/line-striker.ts';
import { SharedLock } from '../queues/shared-lock.ts';
import type { Store } from '../store/store.ts';
import { ActiveCapture, type ActiveCaptureDeps } from './active-capture.ts';
import { Admissions } from './admissions.ts';
import { CloseTimer } from './close-timer.ts';
import { EffectDispatch } from './effect-dispatch.ts';
import { KnockdLogLines } from './knockd-log-lines.ts';
import { PacketPath } from './packet-path.ts';
import { ConfigReload } from './reload/config-reload.ts';
import { EnrolledClients } from './reload/enrolled-clients.ts';
import { LiveChanges } from './reload/live-changes.ts';
import { Rotation } from './rotation.ts';
import { ClockWatch } from './watches/clock-watch.ts';
import { GuardWatch } from './watches/guard-watch.ts';
import { OpenOnceWatch } from './watches/open-once-watch.ts';
import { ScanReports, scanLimits } from './watches/scan-reports.ts';

/** What the daemon needs of the world. */
export interface DaemonDeps {
  readonly version: string;
  readonly config: ServerConfig;
  readonly enrolments: readonly Enrolment[];
  readonly store: Store;
  readonly firewall: Firewall;
  readonly clock: Clock;
  readonly log: Log;
  readonly lines: LineStriker;
  /** Called when doors were added or removed, or have other files. */
  readonly onDoors?: (config: ServerConfig) => Promise<void>;
  /** Whether an address is one of this host's own; asked for every packet. */
  readonly isOwnAddress: (address: AddressKey) => boolean;
  /** True: packets over IPv6 are ignored. */
  readonly ipv4Only?: boolean;
  /** The name of an address, for the log; undefined when there is none in time. Asked only after a door has opened. */
  readonly nameOf?: (address: AddressKey) => Promise<string | undefined>;
  /** The stray budget of a door for a number of enrolled clients. */
  readonly maxStraysOf: (door: DerivedDoor, clients: number) => number;
  readonly readEnrolments: (config: ServerConfig) => Promise<readonly Enrolment[]>;
  /** How services on demand reach this machine; the real way when not given. */
  readonly services?: ServiceEdges;
  readonly createCapture: ActiveCaptureDeps['createCapture'];
}

export type DaemonParts = ReturnType<typeof composeDaemon>;

export function composeDaemon(deps: DaemonDeps) {
  const { store, firewall, clock, log, isOwnAddress, maxStraysOf } = deps;

  // The configuration in force; a reload replaces it.
  const current = { config: deps.config };
  const config = () => current.config;
  const doors = () => current.config.doors;
  // Openings and closings share it; whatever rebuilds the firewall has it alone.
  const doorsLock = new SharedLock();

  // What is live, and what a packet means.
  const policies = policiesOf(deps.config.doors, deps.enrolments, maxStraysOf);
  const scans = scanLimits(deps.config.scans, isOwnAddress);
  const engine = new Engine(deps.config.serverId, policies, DEFAULT_LIMITS, deps.config.throttle, scans);
  const { grants } = engine;
  const trace = new LiveTrace(engine);
  const rotation = new Rotation(engine, clock, () => capture.followLivePairs());

  // Spend, open, close.
  const services = new ServicesOnDemand({
    ...{ store, clock, log, edges: deps.services ?? serviceEdges, doors },
    grantsAt: (name) => grants.all.filter(({ door }) => door === name).length,
  });
  const knockdLines = new KnockdLogLines({ ...deps, doors });
  const admissions = new Admissions({
    ...deps,
    engine,
    doorsLock,
    knockdLines,
    doorOf: (name) => doors().find((door) => door.name === name),
    onGrantsChanged: () => closeTimer.schedule(),
    useService: (name) => services.use(name),
    whenLivePairsHeard: () => capture.whenLivePairsHeard(),
  });
  const { closings } = admissions;
  const closeTimer = new CloseTimer(grants, clock, () => closings.closeDue());

  // From a packet to the effects above.
  const dispatch = new EffectDispatch({
    ...{ admissions, knockdLines, clock, log },
    scans: new ScanReports(deps.config.scans, log),
    onSpent: () => rotation.advanceAfterSpend(),
  });
  const packets = new PacketPath({ ...deps, engine, trace, dispatch });
  const capture: ActiveCapture = new ActiveCapture({ ...deps, engine, config, onArrival: packets.takeArrival });

  // What is looked at from time to time.
  const clockWatch = new ClockWatch({ engine, store, log, doors: () => doors().map(({ name }) => name) });
  const openOnceWatch = new OpenOnceWatch({
    ...{ firewall, grants, clock, doors },
    onUsed: (used) => closings.endUsed(used),
  });
  const guard = new GuardWatch({ firewall, grants, clock, log, doors, doorsLock });

  // What an administrator changes while the daemon runs.
  const clients = new EnrolledClients({ ...{ engine, admissions, clock, log, maxStraysOf, doors } });
  const reload = new ConfigReload({
    ...{ engine, admissions, clients, doorsLock, store, firewall, clock, log, current },
  });
  const changes = new LiveChanges({ ...deps, reload, clients, capture, rotation, config });

  return {
    ...{ config, engine, trace, rotation, services, admissions, closeTimer, dispatch, packets, capture },
    ...{ clockWatch, openOnceWatch, guard, clients, changes },
  };
}
