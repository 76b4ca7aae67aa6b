/**
 * Shared by all kill rounds: their number and time, chance, and the summary that each kind prints as it runs.
 * scripts/kill-rounds adds the summaries up.
 *   KNOCK_OTP_ROUNDS      rounds; 20 when not given
 *   KNOCK_OTP_ROUNDS_MS   milliseconds after which no further round begins
 */

/** The beginning of a summary on stdout; the test runner takes such a line for a diagnostic. */
export const SUMMARY_PREFIX = '# kill-rounds ';

/** Counts by name; `rounds` is always present. */
export type Summary = Record<string, number> & { rounds: number };

const SAY_EVERY_MS = 5_000;

export class KillPlan {
  readonly wanted = Number(process.env['KNOCK_OTP_ROUNDS'] ?? '20');
  readonly #endsAt = Date.now() + Number(process.env['KNOCK_OTP_ROUNDS_MS'] ?? `${Number.MAX_SAFE_INTEGER}`);
  #saidAt = Date.now();

  goesOn({ rounds }: Summary): boolean {
    return rounds < this.wanted && Date.now() < this.#endsAt;
  }

  /** Prints a summary from time to time, and at the end. */
  say(summary: Summary, isEnd = false): void {
    if (!isEnd && Date.now() - this.#saidAt < SAY_EVERY_MS) return;
    this.#saidAt = Date.now();
    process.stdout.write(`${SUMMARY_PREFIX}${JSON.stringify(summary)}\n`);
  }
}

/** A random whole number from 0 to `below` - 1. */
export function random(below: number): number {
  return Math.floor(Math.random() * below);
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
