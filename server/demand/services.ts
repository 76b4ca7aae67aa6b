/**
 * The services that doors start on demand: started before their door opens, looked at while they run, stopped when they
 * have been idle for long enough. Owns the order that survives a kill: journaled before the start command runs, and once
 * more before the stop command does, forgotten when that has succeeded. What a look means is server/core/demand's, who
 * knocks is admissions'.
 *
 * A service that runs and is not in the journal was started by somebody else, and is left alone unless the door says
 * otherwise. One that is in the journal and listens no more has been stopped by somebody else, and is not stopped again.
 */
import { KnockError } from '../../shared/errors.ts';
import type { Clock } from '../clock.ts';
import { judgeService, type ServiceLook } from '../core/demand.ts';
import type { Now } from '../core/grants.ts';
import { formatProblemOf } from '../error-text.ts';
import { CommandNotStarted } from '../firewall/run-command.ts';
import { KeyedQueue } from '../keyed-queue.ts';
import type { Log } from '../log.ts';
import type { JournaledService, Store } from '../store/store.ts';
import { describe, keyOf, lookOf, newlyStarted, type Running, type ServiceStatus, takenUp } from './running-service.ts';
import { ServiceJournal } from './service-journal.ts';
import type { ServiceReadings } from './service-looks.ts';
import { parseTerms, type ServiceTerms } from './service-terms.ts';

/** The pauses between looks: a tenth of the shortest idle time, within these. */
const SHORTEST_LOOK_MS = 1_000;
const LONGEST_LOOK_MS = 15_000;
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 60_000;
/** A service that was started and does not listen after this is started again by the next knock. */
const SLOW_START_MS = 30_000;

/** A door that may start a service. */
export interface ServingDoor {
  readonly name: string;
  readonly service?: ServiceTerms;
}

export interface ServiceEdges {
  /** Rejects when it cannot be read. */
  readonly read: (ports: ReadonlySet<number>) => Promise<ServiceReadings>;
  readonly run: (door: string, terms: ServiceTerms, verb: 'start' | 'stop') => Promise<void>;
  /** Names this start of the machine; undefined where that is not known. */
  readonly bootId: () => Promise<string | undefined>;
}

export interface ServicesDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly edges: ServiceEdges;
  /** As they are configured now. */
  readonly doors: () => readonly ServingDoor[];
  /** How many grants are open at a door. */
  readonly grantsAt: (door: string) => number;
}

export class ServicesOnDemand {
  readonly #deps: ServicesDeps;
  readonly #journal: ServiceJournal;
  readonly #queue = new KeyedQueue();
  /** By door and stop command. */
  readonly #running = new Map<string, Running>();
  /** Knocks that are about to open, by door. */
  readonly #wanted = new Map<string, number>();
  /** Doors whose service runs and is somebody else's. */
  readonly #others = new Set<string>();
  #nextLookMs = 0;
  #looking: Promise<void> | undefined;
  #unreadable = false;
  #isOver = false;
  starts = 0;
  stops = 0;

  constructor(deps: ServicesDeps) {
    this.#deps = deps;
    this.#journal = new ServiceJournal(deps);
  }

  /** Takes up what an earlier run has started, and left. */
  async restore(journal: readonly JournaledService[]): Promise<void> {
    const { clock, log } = this.#deps;
    this.#journal.begin(await this.#deps.edges.bootId());
    const now = clock.now();
    for (const row of journal) {
      const terms = this.#current(row.door, row.stop) ?? parseTerms(row.terms);
      const isOlder = this.#journal.isOlder(row);
      if (terms === undefined || isOlder) {
        if (isOlder) log.info('a service of before the last start of this machine is forgotten', { door: row.door });
        else log.warn('a service cannot be taken up: check that it is stopped', { door: row.door });
        await this.#journal.forget(row);
        continue;
      }
      const running = takenUp(row, terms, now);
      this.#running.set(keyOf(row.door, row.stop), running);
      log.info('service from before, to be stopped when idle', { door: row.door });
    }
  }

  /**
   * Has the door's service run before the door opens, and keeps it from being stopped until the answer is called.
   * @throws KnockError COMMAND or STORE when it does not run: then the door must stay shut
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
      await this.#inTurn(name, () => this.#start(name, terms));
    } catch (error) {
      release();
      throw error;
    }
    return release;
  }

  /** Looks when it is time to, one look at a time. */
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

  /** Waits for commands under way. Services go on: the next daemon takes them up. */
  async drain(): Promise<void> {
    this.#isOver = true;
    await this.#looking;
    await this.#queue.idle();
  }

  status(now: Now): readonly ServiceStatus[] {
    const running = [...this.#running.values()].map((each) => describe(each, now));
    const others = this.#deps.doors().flatMap(({ name, service }): ServiceStatus[] => {
      if (service === undefined || this.#running.has(keyOf(name, service.stop))) return [];
      return [{ door: name, state: this.#unreadable ? 'unknown' : this.#others.has(name) ? 'other' : 'stopped' }];
    });
    return [...running, ...others];
  }

  async #start(door: string, terms: ServiceTerms): Promise<void> {
    const { edges, log, clock } = this.#deps;
    const key = keyOf(door, terms.stop);
    let look: ServiceLook;
    try {
      look = lookOf(await edges.read(new Set(terms.ports)), terms, clock.now());
    } catch (cause) {
      throw new KnockError('COMMAND', 'whether the service runs cannot be read', { cause });
    }
    const present = this.#running.get(key);
    if (look.listening) {
      if (present === undefined && terms.adopts === true) await this.#adopt(door, terms);
      else if (present === undefined && !this.#others.has(door)) {
        this.#others.add(door);
        log.info('service runs already, and is not ours to stop', { door });
      }
      return;
    }
    this.#others.delete(door);
    const { monoMs } = clock.now();
    // It may take its time until it listens.
    const isStarting = present?.state.wasSeen === false && monoMs - (present.startedMs ?? -Infinity) < SLOW_START_MS;
    if (isStarting && !present.isStopping) return;
    const running = newlyStarted(door, terms, clock.now());
    // First: a kill from here on must not leave a service that nobody stops.
    await this.#journal.note(running);
    this.#running.set(key, running);
    try {
      await edges.run(door, terms, 'start');
    } catch (error) {
      await this.#undo(running, error);
      throw error;
    }
    running.startedMs = clock.now().monoMs;
    this.starts += 1;
    log.info('service started', { door });
  }

  /** A start that failed may have done half of its work: stopped at once; where that fails too, when it is idle. */
  async #undo(running: Running, error: unknown): Promise<void> {
    const { edges, log } = this.#deps;
    const { door, terms } = running;
    try {
      if (!(error instanceof CommandNotStarted)) await edges.run(door, terms, 'stop');
    } catch (failure) {
      log.warn('stopping the service, to be sure, failed', { door, reason: formatProblemOf(failure) });
      return;
    }
    this.#running.delete(keyOf(door, terms.stop));
    await this.#journal.forget({ door, stop: terms.stop });
  }

  async #adopt(door: string, terms: ServiceTerms): Promise<void> {
    const running = newlyStarted(door, terms, this.#deps.clock.now());
    running.state = { ...running.state, wasSeen: true };
    await this.#journal.note(running);
    this.#running.set(keyOf(door, terms.stop), running);
    this.#others.delete(door);
    this.#deps.log.info('service runs already, and is stopped when idle', { door });
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
    for (const running of this.#running.values()) await this.#judge(running, readings, now);
    if (readings === undefined) return;
    for (const { name, service } of doors()) {
      if (service === undefined || this.#running.has(keyOf(name, service.stop))) continue;
      const { listening } = lookOf(readings, service, now);
      if (!listening) this.#others.delete(name);
      else if (service.adopts !== true) this.#others.add(name);
      else {
        void this.#inTurn(name, async () => {
          if (!this.#running.has(keyOf(name, service.stop))) await this.#adopt(name, service);
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
    if (verdict === 'gone') await this.#inTurn(door, () => this.#acceptGone(running)).catch(() => undefined);
    else if (verdict === 'stop') {
      if (now.monoMs >= running.retryAtMs) void this.#inTurn(door, () => this.#stop(running)).catch(() => undefined);
    } else {
      // Somebody came after a stop that failed.
      if (verdict === 'busy') running.isStopping = false;
      await this.#journal.note(running).catch((error: unknown) => {
        this.#deps.log.warn('the journal could not follow a service', { door, reason: formatProblemOf(error) });
      });
    }
  }

  async #acceptGone(running: Running): Promise<void> {
    const { door, terms } = running;
    if (this.#running.get(keyOf(door, terms.stop)) !== running) return;
    this.#running.delete(keyOf(door, terms.stop));
    this.#deps.log.info(running.isStopping ? 'service stopped' : 'service was stopped by somebody else', { door });
    if (running.isStopping) this.stops += 1;
    await this.#journal.forget({ door, stop: terms.stop });
  }

  async #stop(running: Running): Promise<void> {
    const { edges, clock, log } = this.#deps;
    const { door, terms } = running;
    const key = keyOf(door, terms.stop);
    if (this.#isOver || this.#running.get(key) !== running || clock.now().monoMs < running.retryAtMs) return;
    try {
      running.isStopping = true;
      await this.#journal.note(running);
      // Looked at again, with nothing between this and the command but its start.
      const readings = await edges.read(new Set(terms.ports));
      const now = clock.now();
      const look = lookOf(readings, terms, now);
      const judged = judgeService(running.state, look, this.#isWanted(door), now.monoMs, terms.idleMs);
      running.state = judged.state;
      running.connections = look.connections;
      if (judged.verdict !== 'stop') {
        running.isStopping = false;
        return;
      }
      await edges.run(door, terms, 'stop');
    } catch (error) {
      const pauseMs = Math.min(FIRST_RETRY_MS * 2 ** running.failures, LAST_RETRY_MS);
      running.failures += 1;
      running.retryAtMs = clock.now().monoMs + pauseMs;
      // Once: it is tried until it works.
      if (running.failures === 1) {
        log.error('service not stopped, will try again', { door, reason: formatProblemOf(error) });
      }
      return;
    }
    this.#running.delete(key);
    this.stops += 1;
    log.info('service stopped', { door, ...(running.failures === 0 ? {} : { tries: running.failures + 1 }) });
    await this.#journal.forget({ door, stop: terms.stop });
  }

  /** By key: what runs, and what could. */
  #watched(): ReadonlyMap<string, ServiceTerms> {
    const watched = new Map<string, ServiceTerms>();
    for (const [key, { terms }] of this.#running) watched.set(key, terms);
    for (const { name, service } of this.#deps.doors()) {
      if (service !== undefined) watched.set(keyOf(name, service.stop), service);
    }
    return watched;
  }

  /** The terms of now for a service that was started earlier: the same door and the same command. */
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

  /** One command of a door at a time. */
  #inTurn(door: string, job: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#queue.run(door, () => job().then(resolve), reject);
    });
  }
}
