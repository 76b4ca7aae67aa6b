/**
 * The schedule of health checks of a capture: soon while something is wrong, seldom while all is well. At rest, a wake-up
 * costs more than the check itself. Events call {@link LookSchedule.checkSoon} and need not wait for the timer.
 */

/** Interval while something is wrong: well under the seconds within which knocks must be captured again. */
export const SOON_MS = 250;
/** Interval while all is well. */
export const CALM_MS = 1_000;

export class LookSchedule {
  readonly #check: () => boolean;
  #timer: NodeJS.Timeout | undefined;
  #isCalm = false;
  #stopped = false;

  /** `check` returns whether all is well. */
  constructor(check: () => boolean) {
    this.#check = check;
  }

  /** The first check follows after {@link SOON_MS}. */
  start(): void {
    this.#wait(SOON_MS);
  }

  /** After an event: the next check follows within {@link SOON_MS}. */
  checkSoon(): void {
    if (this.#isCalm) this.#wait(SOON_MS);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #wait(ms: number): void {
    if (this.#stopped) return;
    clearTimeout(this.#timer);
    this.#isCalm = ms === CALM_MS;
    this.#timer = setTimeout(() => this.#wait(this.#check() ? CALM_MS : SOON_MS), ms);
  }
}
