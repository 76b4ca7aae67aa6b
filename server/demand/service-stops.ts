/**
 * How a service comes to an end: journaled as one that is being stopped, looked at for the last time, stopped, forgotten;
 * a stop command that fails is tried again until it works. When it is idle for long enough is services.ts' business, what
 * a look means is server/core/demand's.
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
  /** Somebody is about to come in by this door, or may. */
  readonly #isWanted: (door: string) => boolean;
  count = 0;

  constructor(work: ServiceWork, known: KnownServices, journal: ServiceJournal, isWanted: (door: string) => boolean) {
    this.#work = work;
    this.#known = known;
    this.#journal = journal;
    this.#isWanted = isWanted;
  }

  /** A service that does not listen any more, by our doing or somebody else's. */
  async acceptGone(running: Running): Promise<void> {
    const { door, terms } = running;
    if (this.#known.running.get(keyOf(door, terms.stop)) !== running) return;
    this.#known.running.delete(keyOf(door, terms.stop));
    this.#work.log.info(running.isStopping ? 'service stopped' : 'service was stopped by somebody else', { door });
    if (running.isStopping) this.count += 1;
    await this.#journal.forget({ door, stop: terms.stop });
  }

  /** Runs the stop command, unless a last look finds the service in use, or it is not time for another try. */
  async stop(running: Running): Promise<void> {
    const { edges, clock, log } = this.#work;
    const { door, terms } = running;
    const key = keyOf(door, terms.stop);
    if (this.#known.running.get(key) !== running || clock.now().monoMs < running.retryAtMs) return;
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
    this.#known.running.delete(key);
    this.count += 1;
    log.info('service stopped', { door, ...(running.failures === 0 ? {} : { tries: running.failures + 1 }) });
    await this.#journal.forget({ door, stop: terms.stop });
  }
}
