/**
 * A lock with shared and exclusive holders. Openings and closings share it; a rebuild of the firewall from the open grants
 * holds it alone, so that it sees none of them half done.
 */
export class SharedLock {
  #running = 0;
  #barrier: Promise<void> | undefined;
  #whenIdle: (() => void) | undefined;

  /** Runs `job` in parallel with other shared jobs, after any exclusive work. */
  async shared(job: () => Promise<void>): Promise<void> {
    while (this.#barrier !== undefined) await this.#barrier;
    this.#running += 1;
    try {
      await job();
    } finally {
      this.#running -= 1;
      if (this.#running === 0) this.#whenIdle?.();
    }
  }

  /** Runs `work` alone, after all running jobs have ended. Never call it from a shared job. */
  async exclusive<T>(work: () => Promise<T>): Promise<T> {
    while (this.#barrier !== undefined) await this.#barrier;
    let release: () => void = () => {};
    this.#barrier = new Promise((resolve) => {
      release = resolve;
    });
    try {
      if (this.#running > 0) {
        await new Promise<void>((resolve) => {
          this.#whenIdle = resolve;
        });
      }
      return await work();
    } finally {
      this.#whenIdle = undefined;
      this.#barrier = undefined;
      release();
    }
  }
}
