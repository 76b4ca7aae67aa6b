/**
 * What is written down of services, so that the next daemon stops what this one has started. Knows when there is something new
 * to write, and of which start of the machine a line is; when a service is started or stopped is services' business.
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

  /** `boot` names this start of the machine, where that is known. To be called first. */
  begin(boot: string | undefined): void {
    this.#boot = boot ?? '';
  }

  /** Of before the last start of the machine: what it speaks of is gone. */
  isOlder({ boot }: JournaledService): boolean {
    return boot !== '' && this.#boot !== '' && boot !== this.#boot;
  }

  /** Writes what is known of a service where that is not written yet. @throws KnockError STORE */
  async note(running: Running): Promise<void> {
    const { row, words } = journalRow(running, this.#boot, this.#deps.clock.now());
    if (words === running.journaled) return;
    await this.#deps.store.noteService(row);
    running.journaled = words;
  }

  /** Never rejects: a line too many is found to be one by the next daemon. */
  async forget({ door, stop }: { readonly door: string; readonly stop: string }): Promise<void> {
    await this.#deps.store.forgetService(door, stop).catch((error: unknown) => {
      this.#deps.log.warn('the journal could not forget a service', { door, reason: formatProblemOf(error) });
    });
  }
}
