/**
 * Runs asynchronous jobs one after another for each key, different keys side by side. Openings and closings of one
 * source at one door must not overtake each other. A job that rejects is the job's own loss: the next one runs.
 */
export class KeyedQueue {
  readonly #tails = new Map<string, Promise<void>>();

  /** Runs `job` when all earlier jobs of `key` have ended. `onError` gets what it rejects with. */
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
