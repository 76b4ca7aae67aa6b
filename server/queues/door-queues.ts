/**
 * The order in which doors move: openings and closings of one source at one door one after the other, others side by side,
 * and all of them in the turnstile. A job that fails is said, and the next one runs.
 */
import type { AddressKey } from '../../shared/address.ts';
import { formatProblemOf } from '../log/error-text.ts';
import type { Log } from '../log/log.ts';
import { KeyedQueue } from './keyed-queue.ts';
import type { SharedLock } from './shared-lock.ts';

/** What moves: a door for a source. */
export interface DoorPlace {
  readonly door: string;
  readonly source: AddressKey;
}

export class DoorQueues {
  readonly #queue = new KeyedQueue();
  readonly #turnstile: SharedLock;
  readonly #log: Log;

  constructor(turnstile: SharedLock, log: Log) {
    this.#turnstile = turnstile;
    this.#log = log;
  }

  /** Runs `job` after the earlier ones of `turn`. */
  run(place: DoorPlace, job: () => Promise<void>, turn: string = keyOf(place)): void {
    const inTurnstile = () => this.#turnstile.shared(job);
    this.#queue.run(turn, inTurnstile, (error) => {
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
