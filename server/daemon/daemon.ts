/**
 * The daemon: wires capture, engine, store, firewall and clock, and owns everything that must happen on time (closing,
 * rotation, clock watching). It decides nothing: what a packet means is server/core's, the order of spending and opening
 * is server/daemon/admissions', how packets are heard is server/daemon/active-capture's.
 */
import { type AddressKey, isIpv4 } from '../../shared/address.ts';
import type { Pair } from '../../shared/knock.ts';
import type { Clock } from '../clock/clock.ts';
import type { DerivedDoor, ServerConfig } from '../config/config.ts';
import { policiesOf } from '../config/door-policies.ts';
import type { LoadedServer } from '../config/load-server.ts';
import type { Enrolment, ListedLine } from '../core/door.ts';
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
import { EffectDispatch } from './effect-dispatch.ts';
import { KnockdLogLines } from './knockd-log-lines.ts';
import { ConfigReload, type ReloadReport, staticLine } from './reload/config-reload.ts';
import { type ClientChange, EnrolledClients } from './reload/enrolled-clients.ts';
import { restoreGrants } from './restore-grants.ts';
import { Rotation } from './rotation.ts';
import { describeStatus, type Status } from './status.ts';
import { ClockWatch } from './watches/clock-watch.ts';
import { GuardWatch } from './watches/guard-watch.ts';
import { OpenOnceWatch } from './watches/open-once-watch.ts';
import { ScanReports, scanLimits } from './watches/scan-reports.ts';

const TICK_MS = 1_000;
/** An opening takes less, where nothing else is going on. */
const AFTER_SPEND_MS = 15;

export interface DaemonDeps {
  readonly version: string;
  readonly config: ServerConfig;
  readonly enrolments: readonly Enrolment[];
  readonly store: Store;
  readonly firewall: Firewall;
  readonly clock: Clock;
  readonly log: Log;
  readonly lines: LineStriker;
  /** Called when doors have come, gone, or got other files. */
  readonly onDoors?: (config: ServerConfig) => Promise<void>;
  /** Whether an address is one of this host's own, asked for every packet. */
  readonly isOwnAddress: (address: AddressKey) => boolean;
  /** Packets over IPv6 count as if they had not come. */
  readonly ipv4Only?: boolean;
  /** The name of an address, for the log; undefined when there is none in time. Asked after a door has opened only. */
  readonly nameOf?: (address: AddressKey) => Promise<string | undefined>;
  /** The stray budget of a door for a number of enrolled clients. */
  readonly maxStraysOf: (door: DerivedDoor, clients: number) => number;
  readonly readEnrolments: (config: ServerConfig) => Promise<readonly Enrolment[]>;
  /** What services on demand touch; this machine when not given. */
  readonly services?: ServiceEdges;
  readonly createCapture: ActiveCaptureDeps['createCapture'];
}

export class Daemon {
  readonly #deps: DaemonDeps;
  readonly #engine: Engine;
  readonly #admissions: Admissions;
  readonly #services: ServicesOnDemand;
  readonly #turnstile = new SharedLock();
  readonly #clients: EnrolledClients;
  readonly #reload: ConfigReload;
  /** The configuration in force. */
  readonly #current: { config: ServerConfig };
  /** What changes doors or clients goes one after the other. */
  #changes: Promise<unknown> = Promise.resolve();
  readonly #listening: ActiveCapture;
  readonly #outcomes: EffectDispatch;
  readonly #startedAt: number;
  #tick: NodeJS.Timeout | undefined;
  #closeTimer: NodeJS.Timeout | undefined;
  #afterSpend: NodeJS.Timeout | undefined;
  readonly #rotation: Rotation;
  readonly #clockWatch: ClockWatch;
  readonly #onceWatch: OpenOnceWatch;
  #guard: GuardWatch | undefined;
  #nextSpendRetryMs = 0;
  #arrivals = 0;
  /** The story of each packet, for whoever follows. */
  readonly trace: LiveTrace;
  #stopping = false;

  constructor(deps: DaemonDeps) {
    this.#deps = deps;
    const { config } = deps;
    this.#current = { config };
    const doors = () => this.#current.config.doors;
    const turnstile = this.#turnstile;
    const policies = policiesOf(config.doors, deps.enrolments, deps.maxStraysOf);
    const limits = scanLimits(config.scans, deps.isOwnAddress);
    const engine = new Engine(config.serverId, policies, DEFAULT_LIMITS, config.throttle, limits);
    this.#engine = engine;
    this.trace = new LiveTrace(engine);
    this.#services = new ServicesOnDemand({
      ...{ store: deps.store, clock: deps.clock, log: deps.log, edges: deps.services ?? serviceEdges, doors },
      grantsAt: (name) => engine.grants.all.filter(({ door }) => door === name).length,
    });
    const words = new KnockdLogLines({ ...deps, doors });
    const admissions = new Admissions({
      ...deps,
      engine,
      doorsLock: turnstile,
      knockdLines: words,
      doorOf: (name) => doors().find((door) => door.name === name),
      onGrantsChanged: () => this.#scheduleClose(),
      useService: (name) => this.#services.use(name),
      whenLivePairsHeard: () => this.#listening.whenLivePairsHeard(),
    });
    this.#admissions = admissions;
    this.#rotation = new Rotation(engine, deps.clock, () => this.#listening.followLivePairs());
    const onSpent = () => {
      // Counters further ahead must be live before they are knocked; not before the door, which they would hold up, is open.
      this.#afterSpend ??= setTimeout(() => {
        this.#afterSpend = undefined;
        void this.#rotation.advance();
        this.#listening.followLivePairs();
      }, AFTER_SPEND_MS);
    };
    const scans = new ScanReports(config.scans, deps.log);
    this.#outcomes = new EffectDispatch({ ...deps, admissions, knockdLines: words, scans, onSpent });
    this.#clockWatch = new ClockWatch({ ...deps, engine, doors: () => doors().map(({ name }) => name) });
    this.#listening = new ActiveCapture({
      ...deps,
      engine,
      config: () => this.#current.config,
      onArrival: this.takeArrival,
    });
    this.#clients = new EnrolledClients({ ...deps, engine, admissions, doors });
    const clients = this.#clients;
    this.#reload = new ConfigReload({
      ...deps,
      engine,
      admissions,
      doorsLock: turnstile,
      clients,
      current: this.#current,
    });
    this.#onceWatch = new OpenOnceWatch({
      ...deps,
      grants: engine.grants,
      doors,
      onUsed: (grants) => admissions.closings.endUsed(grants),
    });
    this.#startedAt = deps.clock.now().wallMs;
  }

  /**
   * Loads what is spent, finishes what an earlier run left, closes all doors, and listens. Resolves when every interface
   * has answered for the first time. @throws KnockError STORE, STATE_REFUSED, FIREWALL
   */
  async start(): Promise<void> {
    const { store, firewall, clock, config, enrolments, log } = this.#deps;
    const stored = await store.load();
    this.#engine.noteClock(stored.clockHighWater);
    this.#clients.enrol(enrolments, stored);
    for (const door of config.doors) if (door.kind === 'static') this.setLines(door.name, staticLine(door));
    const openings = await restoreGrants(stored.grants, this.#engine, { clock, config, firewall, store, log });
    await this.#services.restore(stored.services);
    await firewall.prepare(config.doors, openings);
    await this.#onceWatch.look();
    this.#guard = new GuardWatch({
      ...this.#deps,
      doors: () => this.#current.config.doors,
      doorsLock: this.#turnstile,
      grants: this.#engine.grants,
    });
    await this.#rotation.advance();
    this.#onTick();
    this.#tick = setInterval(() => this.#onTick(), TICK_MS);
    this.#scheduleClose();
    await this.#listening.start();
  }

  /** Closes every grant, leaves the guard in place, and lets go of everything. */
  async stop(): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#tick);
    clearTimeout(this.#closeTimer);
    clearTimeout(this.#afterSpend);
    await this.#listening.stop();
    await this.#changes;
    this.#admissions.closings.closeNow(this.#engine.grants.all);
    await this.#admissions.drain();
    await this.#services.drain();
    await this.#admissions.retryUnwritten();
    await this.#deps.store.close();
  }

  /** One packet from a capture child. Synchronous, total, and without I/O: effects are only queued. */
  readonly takeArrival = (
    atMs: number,
    source: AddressKey,
    destination: AddressKey,
    pair: Pair,
    flags: number,
  ): void => {
    const { clock, isOwnAddress, ipv4Only } = this.#deps;
    if (this.#stopping || (ipv4Only === true && !isIpv4(source))) return;
    this.#arrivals += 1;
    const now = clock.now();
    this.trace.begin(atMs, source, pair);
    const effects = this.#engine.decidePacket(atMs, source, destination, pair, flags, isOwnAddress(destination), now);
    this.trace.end(atMs, destination, effects, now);
    for (const effect of effects) this.#outcomes.dispatch(effect);
  };

  /** The unspent lines of a door with written-down sequences, in the order of use. */
  setLines(door: string, lines: readonly ListedLine[]): void {
    this.#engine.setLines(door, lines, this.#deps.clock.now());
    this.#listening.followLivePairs();
  }

  /** Takes in enrolled, changed and revoked clients without a restart. @throws KnockError as reading the files does */
  async reloadClients(): Promise<ClientChange> {
    return await this.#oneByOne(async () => {
      const wanted = await this.#deps.readEnrolments(this.#current.config);
      // Counters may have moved since the start, and a secret may come back that was here before.
      const change = this.#clients.change(wanted, await this.#deps.store.load());
      void this.#rotation.advance();
      return change;
    });
  }

  /**
   * Takes a configuration that was read again, whole or not at all: then the one before stays in force.
   * @throws KnockError CONFIG_INVALID when it takes a restart or cannot be read, FIREWALL when its doors cannot be had
   */
  async reload(load: () => Promise<LoadedServer>): Promise<ReloadReport> {
    return await this.#oneByOne(async () => {
      const loaded = await load();
      const { listensElsewhere, ...report } = await this.#reload.applyConfig(loaded);
      await this.#deps.onDoors?.(loaded.config);
      if (listensElsewhere) await this.#listening.restart();
      await this.#rotation.advance();
      return report;
    });
  }

  /** The administrator says that the clock, which stands before times already seen, is right. */
  async acceptClock(): Promise<void> {
    await this.#clockWatch.accept(this.#deps.clock.now().wallMs);
  }

  /** What {@link status} says once grants that were used this moment are gone from it. */
  async freshStatus(): Promise<Status> {
    await this.#onceWatch.look();
    return this.status();
  }

  status(): Status {
    const { version, clock } = this.#deps;
    const { config } = this.#current;
    return describeStatus(
      this.#engine,
      {
        version,
        server: config.serverId,
        startedAt: this.#startedAt,
        guardStands: this.#guard?.stands ?? false,
        capture: this.#listening.method(),
        interfaces: this.#listening.status(),
        doors: config.doors.map(({ name }) => name),
        services: this.#services.status(clock.now()),
        counters: {
          packets: this.#arrivals,
          lost: this.#listening.lost,
          opened: this.#admissions.opened,
          refused: this.#outcomes.refused,
          contested: this.#outcomes.contested,
          failed: this.#admissions.failed,
          serviceStarts: this.#services.starts,
          serviceStops: this.#services.stops,
          unwrittenSpends: this.#admissions.unwrittenSpends,
        },
        refusals: this.#outcomes.refusals,
      },
      clock.now(),
    );
  }

  #onTick(): void {
    const now = this.#deps.clock.now();
    const { monoMs } = now;
    this.#clockWatch.onTick(now);
    void this.#rotation.advance();
    this.#listening.onTick(monoMs);
    this.#admissions.closings.closeDue();
    this.#outcomes.onTick();
    this.#services.onTick();
    this.#guard?.onTick();
    void this.#onceWatch.look();
    if (this.#admissions.unwrittenSpends > 0 && monoMs >= this.#nextSpendRetryMs) {
      this.#nextSpendRetryMs = monoMs + 5 * TICK_MS;
      void this.#admissions.retryUnwritten();
    }
  }

  #oneByOne<T>(change: () => Promise<T>): Promise<T> {
    const turn = this.#changes.then(change);
    this.#changes = turn.catch(() => undefined);
    return turn;
  }

  #scheduleClose(): void {
    clearTimeout(this.#closeTimer);
    const next = this.#engine.grants.nextEndMs;
    if (next === undefined || this.#stopping) return;
    const pauseMs = Math.min(Math.max(next - this.#deps.clock.now().monoMs, 1), 60_000);
    this.#closeTimer = setTimeout(() => {
      this.#admissions.closings.closeDue();
      this.#scheduleClose();
    }, pauseMs);
  }
}
