/**
 * The daemon's life: start, tick, stop, and what the control socket asks of it. It decides nothing: `composition.ts` says
 * how the parts are put together, `server/core` what a packet means, and `admissions.ts` in which order a door opens.
 */
import type { LoadedServer } from '../config/load-server.ts';
import type { ListedLine } from '../core/door.ts';
import type { DaemonDeps, DaemonParts } from './composition.ts';
import { composeDaemon } from './composition.ts';
import { type ReloadReport, staticLine } from './reload/config-reload.ts';
import type { ClientChange } from './reload/enrolled-clients.ts';
import { restoreGrants } from './restore-grants.ts';
import { describeStatus, type Status } from './status.ts';

const TICK_MS = 1_000;
const SPEND_RETRY_MS = 5 * TICK_MS;

export class Daemon {
  readonly #deps: DaemonDeps;
  readonly #parts: DaemonParts;
  readonly #startedAt: number;
  #tick: NodeJS.Timeout | undefined;
  #nextSpendRetryMs = 0;
  /** False until the firewall has been prepared for the first time. */
  #isGuarded = false;

  constructor(deps: DaemonDeps) {
    this.#deps = deps;
    this.#parts = composeDaemon(deps);
    this.#startedAt = deps.clock.now().wallMs;
  }

  /** The story of each packet, for `knock-otpd explain --live`. */
  get trace(): DaemonParts['trace'] {
    return this.#parts.trace;
  }

  /** What a capture calls for each packet. */
  get takeArrival(): DaemonParts['packets']['takeArrival'] {
    return this.#parts.packets.takeArrival;
  }

  /**
   * Loads what is spent, finishes what an earlier run left, closes all doors, and starts the capture. Resolves when every
   * interface has answered for the first time. @throws KnockError STORE, STATE_REFUSED, FIREWALL
   */
  async start(): Promise<void> {
    const { store, firewall, clock, config, enrolments, log } = this.#deps;
    const { engine, clients, services, openOnceWatch, rotation, closeTimer, capture } = this.#parts;
    const stored = await store.load();
    engine.noteClock(stored.clockHighWater);
    clients.enrol(enrolments, stored);
    for (const door of config.doors) if (door.kind === 'static') this.setLines(door.name, staticLine(door));
    const openings = await restoreGrants(stored.grants, engine, { clock, config, firewall, store, log });
    await services.restore(stored.services);
    await firewall.prepare(config.doors, openings);
    await openOnceWatch.look();
    this.#isGuarded = true;
    await rotation.advance();
    this.#onTick();
    this.#tick = setInterval(() => this.#onTick(), TICK_MS);
    closeTimer.schedule();
    await capture.start();
  }

  /** Closes every grant, leaves the guard in place, and releases everything else. */
  async stop(): Promise<void> {
    const { packets, closeTimer, rotation, capture, changes, admissions, engine, services } = this.#parts;
    packets.close();
    clearInterval(this.#tick);
    closeTimer.stop();
    rotation.stop();
    await capture.stop();
    await changes.idle();
    admissions.closings.closeNow(engine.grants.all);
    await admissions.drain();
    await services.drain();
    await admissions.retryUnwritten();
    await this.#deps.store.close();
  }

  /** Sets the unspent lines of a door with written-down sequences, in the order of use. */
  setLines(door: string, lines: readonly ListedLine[]): void {
    this.#parts.engine.setLines(door, lines, this.#deps.clock.now());
    this.#parts.capture.followLivePairs();
  }

  /** Takes in enrolled, changed and revoked clients. @throws KnockError as reading the files does */
  async reloadClients(): Promise<ClientChange> {
    return await this.#parts.changes.reloadClients();
  }

  /** Takes a configuration that was read again. @throws KnockError CONFIG_INVALID, FIREWALL, STORE: nothing has changed */
  async reload(load: () => Promise<LoadedServer>): Promise<ReloadReport> {
    return await this.#parts.changes.reloadConfig(load);
  }

  /** The administrator says that the clock is right, although it is before times already seen. @throws KnockError STORE */
  async acceptClock(): Promise<void> {
    await this.#parts.clockWatch.accept(this.#deps.clock.now().wallMs);
  }

  /** {@link status} without the grants that were used this moment. */
  async freshStatus(): Promise<Status> {
    await this.#parts.openOnceWatch.look();
    return this.status();
  }

  status(): Status {
    const { version, clock } = this.#deps;
    const { config, engine, guard, capture, packets, admissions, dispatch, services } = this.#parts;
    const { serverId, doors } = config();
    return describeStatus(
      engine,
      {
        version,
        server: serverId,
        startedAt: this.#startedAt,
        guardStands: this.#isGuarded && guard.stands,
        capture: capture.method(),
        interfaces: capture.status(),
        doors: doors.map(({ name }) => name),
        services: services.status(clock.now()),
        counters: {
          packets: packets.arrivals,
          lost: capture.lost,
          opened: admissions.opened,
          refused: dispatch.refused,
          contested: dispatch.contested,
          failed: admissions.failed,
          serviceStarts: services.starts,
          serviceStops: services.stops,
          unwrittenSpends: admissions.unwrittenSpends,
        },
        refusals: dispatch.refusals,
      },
      clock.now(),
    );
  }

  #onTick(): void {
    const { clockWatch, rotation, capture, admissions, dispatch, services, guard, openOnceWatch } = this.#parts;
    const now = this.#deps.clock.now();
    clockWatch.onTick(now);
    void rotation.advance();
    capture.onTick(now.monoMs);
    admissions.closings.closeDue();
    dispatch.onTick();
    services.onTick();
    guard.onTick();
    void openOnceWatch.look();
    if (admissions.unwrittenSpends > 0 && now.monoMs >= this.#nextSpendRetryMs) {
      this.#nextSpendRetryMs = now.monoMs + SPEND_RETRY_MS;
      void admissions.retryUnwritten();
    }
  }
}
