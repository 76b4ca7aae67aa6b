/**
 * When to look again: soon while something is wrong, seldom while all is well. At rest, being woken up costs more than what is
 * looked at. What is looked at, and what is wrong, is others' knowledge; they also know of events that do not wait for a look.
 */

/** Well under the seconds within which knocks must be heard again. */
export const SOON_MS = 250;
export const CALM_MS = 1_000;

export class LookSchedule {
  readonly #look: () => boolean;
  #timer: NodeJS.Timeout | undefined;
  #isCalm = false;
  #stopped = false;

  /** `look` answers whether all is well. */
  constructor(look: () => boolean) {
    this.#look = look;
  }

  /** The first look comes soon. */
  start(): void {
    this.#wait(SOON_MS);
  }

  /** Something has happened: the next look comes soon, however well all was at the last one. */
  soon(): void {
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
    this.#timer = setTimeout(() => this.#wait(this.#look() ? CALM_MS : SOON_MS), ms);
  }
}
