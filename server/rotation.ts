/**
 * Keeps the engine's live sequences up to date in turns of bounded work: the packet path and the timers get their turn
 * between. What is due, and when, the engine knows.
 */
import type { Clock } from './clock.ts';
import type { Engine } from './core/engine.ts';

/** Sequences derived in one turn, some 3 ms. */
const DERIVATIONS_PER_TURN = 150;

export class Rotation {
  readonly #engine: Engine;
  readonly #clock: Clock;
  #running: Promise<void> | undefined;
  /** Something has become due since the running turns last looked. */
  #again = false;

  constructor(engine: Engine, clock: Clock) {
    this.#engine = engine;
    this.#clock = clock;
  }

  /** Resolves when everything that was due at this call is done. */
  async advance(): Promise<void> {
    this.#again = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      while (!this.#engine.advance(this.#clock.now(), DERIVATIONS_PER_TURN)) {
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  }
}
