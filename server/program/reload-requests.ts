/**
 * When the configuration is read again: at SIGHUP, or when the control socket is asked to. However many ask, one reading
 * is under way and one is to come, with a pause between: a storm of signals costs two readings a second and as many lines
 * of the log. Whoever asks while one is under way gets the one after it, which sees his file.
 */
import { formatProblem, KnockError } from '../../shared/errors.ts';
import type { ReloadReport } from '../daemon/reload/config-reload.ts';
import { formatProblemOf } from '../log/error-text.ts';
import type { Log } from '../log/log.ts';

const PAUSE_MS = 500;

export class ReloadRequests {
  readonly #reload: () => Promise<ReloadReport>;
  readonly #log: Log;
  #last: Promise<unknown> = Promise.resolve();
  /** Asked for and not begun. */
  #next: Promise<ReloadReport> | undefined;

  constructor(reload: () => Promise<ReloadReport>, log: Log) {
    this.#reload = reload;
    this.#log = log;
  }

  /** Rejects as the reading does; the log knows by then. */
  request(): Promise<ReloadReport> {
    this.#next ??= this.#begin();
    return this.#next;
  }

  #begin(): Promise<ReloadReport> {
    const turn = this.#last.then(() => {
      this.#next = undefined;
      return this.#run();
    });
    this.#last = turn
      .catch(() => undefined)
      .then(
        () =>
          new Promise((resolve) => {
            setTimeout(resolve, PAUSE_MS).unref();
          }),
      );
    return turn;
  }

  async #run(): Promise<ReloadReport> {
    try {
      const report = await this.#reload();
      const { added, removed, changed, clients } = report;
      this.#log.info('configuration taken', {
        added: added.length,
        removed: removed.length,
        changed: changed.length,
        enrolled: clients.added,
        revoked: clients.removed,
      });
      return report;
    } catch (error) {
      this.#log.error('configuration not taken, the one before stays', { reason: formatProblemOf(error) });
      if (error instanceof KnockError) for (const problem of error.problems) this.#log.error(formatProblem(problem));
      throw error;
    }
  }
}
