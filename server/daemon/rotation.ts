/**
 * Keeps the engine's live sequences up to date in turns of bounded work: the packet path and the timers get their turn
 * between. What is due, and when, the engine knows.
 */
import type { Clock } from '../clock/clock.ts';
import type { Engine } from '../core/engine.ts';

/** Sequences derived in one turn, some 3 ms. */
const DERIVATIONS_PER_TURN = 150;

export class Rotation {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #onTurn: () => void;
  #running: Promise<void> | undefined;
  /** Something has become due since the running turns last looked. */
  #again = false;

  /** `onTurn` is called whenever sequences may have come or gone. */
  constructor(engine: Engine, clock: Clock, onTurn: () => void) {
    this.#engine = engine;
    this.#clock = clock;
    this.#onTurn = onTurn;
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
        this.#onTurn();
        await new Promise((resolve) => setImmediate(resolve));
      }
      this.#onTurn();
    }
  }
}
