/**
 * Services on demand: started before their door opens, checked while they run, stopped when they have been idle for
 * long enough. Decides when, and runs one command of a door at a time. `service-starts.ts` and `service-stops.ts` start
 * and stop a service so that a kill in between loses none. `server/core/demand.ts` decides what the connections mean,
 * and `server/daemon/admissions.ts` calls `use` for a knock.
 *
 * A running service that is not in the journal was started by another program. It is left alone unless the door's
 * configuration says otherwise. A journaled service that no longer listens was stopped by another program. It is not
 * stopped again.
 */
import { judgeService } from '../core/demand.ts';
import type { Now } from '../core/grants.ts';
import { formatProblemOf } from '../log/error-text.ts';
import { KeyedQueue } from '../queues/keyed-queue.ts';
import type { JournaledService, Store } from '../store/store.ts';
import { describe, keyOf, lookOf, type Running, restored, type ServiceStatus } from './running-service.ts';
import type { KnownServices, ServiceWork } from './service-deps.ts';
import type { ServiceReadings } from './service-inspection.ts';
import { ServiceJournal } from './service-journal.ts';
import { ServiceStarts } from './service-starts.ts';
import { ServiceStops } from './service-stops.ts';
import { parseTerms, type ServiceTerms } from './service-terms.ts';

/** Limits of the pause between two checks, which is a tenth of the shortest idle time. */
const SHORTEST_LOOK_MS = 1_000;
const LONGEST_LOOK_MS = 15_000;

/** A door that may start a service. */
export interface ServingDoor {
  readonly name: string;
  readonly service?: ServiceTerms;
}

export interface ServicesDeps extends ServiceWork {
  readonly store: Store;
  /** The doors of the current configuration. */
  readonly doors: () => readonly ServingDoor[];
  /** The number of open grants at a door. */
  readonly grantsAt: (door: string) => number;
}

export class ServicesOnDemand {
  readonly #deps: ServicesDeps;
  readonly #journal: ServiceJournal;
  readonly #queue = new KeyedQueue();
  readonly #known: KnownServices = { running: new Map(), others: new Set() };
  readonly #starts: ServiceStarts;
  readonly #stops: ServiceStops;
  /** Knocks that are about to open, by door. */
  readonly #wanted = new Map<string, number>();
  #nextLookMs = 0;
  #looking: Promise<void> | undefined;
  #unreadable = false;
  #isOver = false;

  constructor(deps: ServicesDeps) {
    this.#deps = deps;
    this.#journal = new ServiceJournal(deps);
    this.#starts = new ServiceStarts(deps, this.#known, this.#journal);
    this.#stops = new ServiceStops(deps, this.#known, this.#journal, (door) => this.#isWanted(door));
  }

  get starts(): number {
    return this.#starts.count;
  }

  get stops(): number {
    return this.#stops.count;
  }

  /** Takes over the services that an earlier run started. */
  async restore(journal: readonly JournaledService[]): Promise<void> {
    const { clock, log } = this.#deps;
    this.#journal.begin(await this.#deps.edges.bootId());
    const now = clock.now();
    for (const row of journal) {
      const terms = this.#current(row.door, row.stop) ?? parseTerms(row.terms);
      const isOlder = this.#journal.isOlder(row);
      if (terms === undefined || isOlder) {
        if (isOlder) log.info('a service from before the last boot is forgotten', { door: row.door });
        else log.warn('a service cannot be taken over: check that it is stopped', { door: row.door });
        await this.#journal.forget(row);
        continue;
      }
      const running = restored(row, terms, now);
      this.#known.running.set(keyOf(row.door, row.stop), running);
      log.info('service from before, to be stopped when idle', { door: row.door });
    }
  }

  /**
   * Starts the door's service, unless it runs. The service is not stopped until the returned function is called.
   * @throws KnockError COMMAND or STORE when it could not be started: the door must stay shut
   */
  async use(name: string): Promise<() => void> {
    const terms = this.#deps.doors().find((door) => door.name === name)?.service;
    if (terms === undefined) return () => {};
    this.#want(name, 1);
    let isHeld = true;
    const release = () => {
      if (isHeld) this.#want(name, -1);
      isHeld = false;
    };
    try {
      await this.#inTurn(name, () => this.#starts.start(name, terms));
    } catch (error) {
      release();
      throw error;
    }
    return release;
  }

  /** Checks when it is time, one check at a time. */
  onTick(): void {
    const { monoMs } = this.#deps.clock.now();
    if (this.#isOver || monoMs < this.#nextLookMs || this.#looking !== undefined) return;
    const watched = this.#watched();
    if (watched.size === 0) return;
    const shortest = Math.min(...[...watched.values()].map(({ idleMs }) => idleMs));
    this.#nextLookMs = monoMs + Math.min(Math.max(shortest / 10, SHORTEST_LOOK_MS), LONGEST_LOOK_MS) - 100;
    this.#looking = this.#look(watched).finally(() => {
      this.#looking = undefined;
    });
  }

  /** Waits for running commands. The next daemon takes over the services. */
  async drain(): Promise<void> {
    this.#isOver = true;
    await this.#looking;
    await this.#queue.idle();
  }

  status(now: Now): readonly ServiceStatus[] {
    const running = [...this.#known.running.values()].map((each) => describe(each, now));
    const others = this.#deps.doors().flatMap(({ name, service }): ServiceStatus[] => {
      if (service === undefined || this.#known.running.has(keyOf(name, service.stop))) return [];
      return [{ door: name, state: this.#unreadable ? 'unknown' : this.#known.others.has(name) ? 'other' : 'stopped' }];
    });
    return [...running, ...others];
  }

  async #look(watched: ReadonlyMap<string, ServiceTerms>): Promise<void> {
    const { edges, clock, log, doors } = this.#deps;
    const ports = new Set([...watched.values()].flatMap((terms) => terms.ports));
    const readings = await edges.read(ports).catch((error: unknown) => {
      if (!this.#unreadable) {
        log.error('connections cannot be read: services count as busy', { reason: formatProblemOf(error) });
      }
      return undefined;
    });
    this.#unreadable = readings === undefined;
    const now = clock.now();
    for (const running of this.#known.running.values()) await this.#judge(running, readings, now);
    if (readings === undefined) return;
    for (const { name, service } of doors()) {
      if (service === undefined || this.#known.running.has(keyOf(name, service.stop))) continue;
      const { listening } = lookOf(readings, service, now);
      if (!listening) this.#known.others.delete(name);
      else if (service.adopts !== true) this.#known.others.add(name);
      else {
        void this.#inTurn(name, async () => {
          if (!this.#known.running.has(keyOf(name, service.stop))) await this.#starts.adopt(name, service);
        }).catch((error: unknown) => {
          log.error('the service could not be taken over', { door: name, reason: formatProblemOf(error) });
        });
      }
    }
  }

  async #judge(running: Running, readings: ServiceReadings | undefined, now: Now): Promise<void> {
    const { door } = running;
    running.terms = this.#current(door, running.terms.stop) ?? running.terms;
    const look = readings === undefined ? undefined : lookOf(readings, running.terms, now);
    const { state, verdict } = judgeService(
      running.state,
      look,
      this.#isWanted(door),
      now.monoMs,
      running.terms.idleMs,
    );
    running.state = state;
    running.connections = look?.connections;
    if (verdict === 'gone') await this.#inTurn(door, () => this.#stops.acceptGone(running)).catch(() => undefined);
    else if (verdict === 'stop') {
      if (now.monoMs >= running.retryAtMs) void this.#inTurn(door, () => this.#stop(running)).catch(() => undefined);
    } else {
      // The service is in use again after a failed stop.
      if (verdict === 'busy') running.isStopping = false;
      await this.#journal.note(running).catch((error: unknown) => {
        this.#deps.log.warn('the journal could not follow a service', { door, reason: formatProblemOf(error) });
      });
    }
  }

  async #stop(running: Running): Promise<void> {
    if (!this.#isOver) await this.#stops.stop(running);
  }

  /** By key: running services and those of doors. */
  #watched(): ReadonlyMap<string, ServiceTerms> {
    const watched = new Map<string, ServiceTerms>();
    for (const [key, { terms }] of this.#known.running) watched.set(key, terms);
    for (const { name, service } of this.#deps.doors()) {
      if (service !== undefined) watched.set(keyOf(name, service.stop), service);
    }
    return watched;
  }

  /** The current terms of a service that was started earlier: the same door with the same stop command. */
  #current(door: string, stop: string): ServiceTerms | undefined {
    const terms = this.#deps.doors().find(({ name }) => name === door)?.service;
    return terms?.stop === stop ? terms : undefined;
  }

  #isWanted(door: string): boolean {
    return (this.#wanted.get(door) ?? 0) > 0 || this.#deps.grantsAt(door) > 0;
  }

  #want(door: string, change: 1 | -1): void {
    this.#wanted.set(door, (this.#wanted.get(door) ?? 0) + change);
  }

  /** Runs one command of a door at a time. */
  #inTurn(door: string, job: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#queue.run(door, () => job().then(resolve), reject);
    });
  }
}
