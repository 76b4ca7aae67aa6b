/**
 * Stops a service: journals it as stopping, checks its connections a last time, runs the stop command, removes it from
 * the journal. Runs a failed stop command again until it succeeds. `services.ts` decides when; `server/core/demand.ts`
 * decides whether the service is idle.
 */
import { judgeService } from '../core/demand.ts';
import { formatProblemOf } from '../log/error-text.ts';
import { keyOf, lookOf, type Running } from './running-service.ts';
import type { KnownServices, ServiceWork } from './service-deps.ts';
import type { ServiceJournal } from './service-journal.ts';

const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 60_000;

export class ServiceStops {
  readonly #work: ServiceWork;
  readonly #known: KnownServices;
  readonly #journal: ServiceJournal;
  /** A knock is about to open this door, or a grant is open. */
  readonly #isWanted: (door: string) => boolean;
  count = 0;

  constructor(work: ServiceWork, known: KnownServices, journal: ServiceJournal, isWanted: (door: string) => boolean) {
    this.#work = work;
    this.#known = known;
    this.#journal = journal;
    this.#isWanted = isWanted;
  }

  /** For a service that no longer listens, stopped by knock-otpd or another program. */
  async acceptGone(running: Running): Promise<void> {
    const { door, terms } = running;
    if (this.#known.running.get(keyOf(door, terms.stop)) !== running) return;
    this.#known.running.delete(keyOf(door, terms.stop));
    this.#work.log.info(running.isStopping ? 'service stopped' : 'service was stopped by another program', { door });
    if (running.isStopping) this.count += 1;
    await this.#journal.forget({ door, stop: terms.stop });
  }

  /** Runs the stop command, except during a pause after a failure, or if a last check finds the service in use. */
  async stop(running: Running): Promise<void> {
    const { edges, clock, log } = this.#work;
    const { door, terms } = running;
    const key = keyOf(door, terms.stop);
    if (this.#known.running.get(key) !== running || clock.now().monoMs < running.retryAtMs) return;
    try {
      running.isStopping = true;
      await this.#journal.note(running);
      // A last check, immediately before the command.
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
      // Logged once, because the command runs again until it succeeds.
      if (running.failures === 1) {
        log.error('service not stopped, will try again', { door, reason: formatProblemOf(error) });
      }
      return;
    }
    this.#known.running.delete(key);
    this.count += 1;
    log.info('service stopped', { door, ...(running.failures === 0 ? {} : { tries: running.failures + 1 }) });
    await this.#journal.forget({ door, stop: terms.stop });
  }
}
