/**
 * Keeps the engine's live sequences up to date in pieces of bounded work, so that packets and timers are served between
 * them. The engine knows what is due, and when.
 */
import type { Clock } from '../clock/clock.ts';
import type { Engine } from '../core/engine.ts';

/** Sequences derived in one piece, some 3 ms. */
const DERIVATIONS_PER_TURN = 150;
/** An opening takes less where nothing else is going on. */
const AFTER_SPEND_MS = 15;

export class Rotation {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #onTurn: () => void;
  #running: Promise<void> | undefined;
  /** Something has become due since the running pieces last looked. */
  #again = false;
  #afterSpend: NodeJS.Timeout | undefined;

  /** `onTurn` is called whenever sequences may have become live or ceased to be. */
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

  /** Counters further ahead must be live before they are knocked, but the door that was just knocked opens first. */
  advanceAfterSpend(): void {
    this.#afterSpend ??= setTimeout(() => {
      this.#afterSpend = undefined;
      void this.advance();
      this.#onTurn();
    }, AFTER_SPEND_MS);
  }

  stop(): void {
    clearTimeout(this.#afterSpend);
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
