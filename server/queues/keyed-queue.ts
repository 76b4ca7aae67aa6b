/**
 * Runs asynchronous jobs one after another for each key, and different keys in parallel. So openings and closings of one
 * source at one door cannot overtake each other. After a job that rejects, the next one runs.
 */
export class KeyedQueue {
  readonly #tails = new Map<string, Promise<void>>();

  /** Runs `job` when all earlier jobs of `key` have ended. `onError` receives its rejection. */
  run(key: string, job: () => Promise<void>, onError: (error: unknown) => void): void {
    const tail = (this.#tails.get(key) ?? Promise.resolve()).then(job).catch(onError);
    this.#tails.set(key, tail);
    void tail.then(() => {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    });
  }

  /** Resolves when nothing is running or waiting. */
  async idle(): Promise<void> {
    while (this.#tails.size > 0) await Promise.all(this.#tails.values());
  }
}
