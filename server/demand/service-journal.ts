/**
 * The journal of running services: with it the next daemon can stop the services that this one started. Writes a row
 * only when it changed, and recognizes rows of an earlier boot. `services.ts` decides when a service is started or
 * stopped.
 */
import type { Clock } from '../clock/clock.ts';
import { formatProblemOf } from '../log/error-text.ts';
import type { Log } from '../log/log.ts';
import type { JournaledService, Store } from '../store/store.ts';
import { journalRow, type Running } from './running-service.ts';

export interface ServiceJournalDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
}

export class ServiceJournal {
  readonly #deps: ServiceJournalDeps;
  #boot = '';

  constructor(deps: ServiceJournalDeps) {
    this.#deps = deps;
  }

  /** Call it first. @param boot id of this boot of the machine, where it is known */
  begin(boot: string | undefined): void {
    this.#boot = boot ?? '';
  }

  /** Whether the row is of an earlier boot: its service no longer runs. */
  isOlder({ boot }: JournaledService): boolean {
    return boot !== '' && this.#boot !== '' && boot !== this.#boot;
  }

  /** Writes the service's row if it has changed. @throws KnockError STORE */
  async note(running: Running): Promise<void> {
    const { row, text } = journalRow(running, this.#boot, this.#deps.clock.now());
    if (text === running.journaled) return;
    await this.#deps.store.noteService(row);
    running.journaled = text;
  }

  /** Never rejects: the next daemon recognizes a row that should be gone. */
  async forget({ door, stop }: { readonly door: string; readonly stop: string }): Promise<void> {
    await this.#deps.store.forgetService(door, stop).catch((error: unknown) => {
      this.#deps.log.warn('the journal could not forget a service', { door, reason: formatProblemOf(error) });
    });
  }
}
