/**
 * Starts a service before its door opens: journals it first, then runs the start command; stops it again when the start
 * failed. `services.ts` decides when, and runs one command of a door at a time.
 */
import { KnockError } from '../../shared/errors.ts';
import type { ServiceLook } from '../core/demand.ts';
import { formatProblemOf } from '../log/error-text.ts';
import { CommandNotStarted } from '../process/run-command.ts';
import { keyOf, lookOf, newlyStarted, type Running } from './running-service.ts';
import type { KnownServices, ServiceWork } from './service-deps.ts';
import type { ServiceJournal } from './service-journal.ts';
import type { ServiceTerms } from './service-terms.ts';

/** If a started service does not listen after this time, the next knock starts it again. */
const SLOW_START_MS = 30_000;

export class ServiceStarts {
  readonly #work: ServiceWork;
  readonly #known: KnownServices;
  readonly #journal: ServiceJournal;
  count = 0;

  constructor(work: ServiceWork, known: KnownServices, journal: ServiceJournal) {
    this.#work = work;
    this.#known = known;
    this.#journal = journal;
  }

  /**
   * Runs the start command unless the service runs already.
   * @throws KnockError COMMAND or STORE when it could not be started: the door must stay shut
   */
  async start(door: string, terms: ServiceTerms): Promise<void> {
    const { edges, log, clock } = this.#work;
    const key = keyOf(door, terms.stop);
    let look: ServiceLook;
    try {
      look = lookOf(await edges.read(new Set(terms.ports)), terms, clock.now());
    } catch (cause) {
      throw new KnockError('COMMAND', 'cannot find out whether the service runs', { cause });
    }
    const present = this.#known.running.get(key);
    if (look.listening) {
      if (present === undefined && terms.adopts === true) await this.adopt(door, terms);
      else if (present === undefined && !this.#known.others.has(door)) {
        this.#known.others.add(door);
        log.info('service runs already, and is not ours to stop', { door });
      }
      return;
    }
    this.#known.others.delete(door);
    const { monoMs } = clock.now();
    // A service may need time until it listens.
    const isStarting = present?.state.wasSeen === false && monoMs - (present.startedMs ?? -Infinity) < SLOW_START_MS;
    if (isStarting && !present.isStopping) return;
    const running = newlyStarted(door, terms, clock.now());
    // Before the start: if the daemon is killed from here on, the next one must know which service to stop.
    await this.#journal.note(running);
    this.#known.running.set(key, running);
    try {
      await edges.run(door, terms, 'start');
    } catch (error) {
      await this.#undo(running, error);
      throw error;
    }
    running.startedMs = clock.now().monoMs;
    this.count += 1;
    log.info('service started', { door });
  }

  /** Takes over a service that another program started. @throws KnockError STORE */
  async adopt(door: string, terms: ServiceTerms): Promise<void> {
    const running = newlyStarted(door, terms, this.#work.clock.now());
    running.state = { ...running.state, wasSeen: true };
    await this.#journal.note(running);
    this.#known.running.set(keyOf(door, terms.stop), running);
    this.#known.others.delete(door);
    this.#work.log.info('service runs already, and is stopped when idle', { door });
  }

  /** A failed start may have done half of its work: stops the service at once, or when idle if that fails. */
  async #undo(running: Running, error: unknown): Promise<void> {
    const { edges, log } = this.#work;
    const { door, terms } = running;
    try {
      if (!(error instanceof CommandNotStarted)) await edges.run(door, terms, 'stop');
    } catch (failure) {
      log.warn('stopping the service after its failed start failed', { door, reason: formatProblemOf(failure) });
      return;
    }
    this.#known.running.delete(keyOf(door, terms.stop));
    await this.#journal.forget({ door, stop: terms.stop });
  }
}
