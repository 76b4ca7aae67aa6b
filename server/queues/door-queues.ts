/**
 * Runs openings and closings in order: one after another for one source at one door, in parallel for others. All jobs hold
 * the shared lock. A job that fails is logged, and the next one runs.
 */
import type { AddressKey } from '../../shared/address.ts';
import { formatProblemOf } from '../log/error-text.ts';
import type { Log } from '../log/log.ts';
import { KeyedQueue } from './keyed-queue.ts';
import type { SharedLock } from './shared-lock.ts';

/** A door and a source: the place of an opening or closing. */
export interface DoorPlace {
  readonly door: string;
  readonly source: AddressKey;
}

export class DoorQueues {
  readonly #queue = new KeyedQueue();
  readonly #lock: SharedLock;
  readonly #log: Log;

  constructor(lock: SharedLock, log: Log) {
    this.#lock = lock;
    this.#log = log;
  }

  /** Runs `job` after the earlier jobs of `key`. */
  run(place: DoorPlace, job: () => Promise<void>, key: string = keyOf(place)): void {
    const lockedJob = () => this.#lock.shared(job);
    this.#queue.run(key, lockedJob, (error) => {
      this.#log.error('unexpected failure', { door: place.door, reason: formatProblemOf(error) });
    });
  }

  /** Resolves when nothing is running or waiting. */
  async idle(): Promise<void> {
    await this.#queue.idle();
  }
}

export function keyOf({ door, source }: DoorPlace): string {
  return `${source}${door}`;
}
