/** The timer that ends grants on time. It follows the earliest end of all grants. */
import type { Clock } from '../clock/clock.ts';
import type { Grants } from '../core/grants.ts';

/** Timers are not set for longer than this, so that a clock that was stopped is noticed. */
const LONGEST_MS = 60_000;

export class CloseTimer {
  readonly #grants: Grants;
  readonly #clock: Clock;
  readonly #closeDue: () => void;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  /** `closeDue` closes the grants whose end has come. */
  constructor(grants: Grants, clock: Clock, closeDue: () => void) {
    this.#grants = grants;
    this.#clock = clock;
    this.#closeDue = closeDue;
  }

  /** Call it whenever the grants have changed. */
  schedule(): void {
    clearTimeout(this.#timer);
    const next = this.#grants.nextEndMs;
    if (next === undefined || this.#isStopped) return;
    const pauseMs = Math.min(Math.max(next - this.#clock.now().monoMs, 1), LONGEST_MS);
    this.#timer = setTimeout(() => {
      this.#closeDue();
      this.schedule();
    }, pauseMs);
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }
}
