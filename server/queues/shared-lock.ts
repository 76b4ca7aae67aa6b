/**
 * A lock with shared and exclusive holders. Openings and closings share it; a rebuild of the firewall from the open grants
 * holds it alone, so that it sees none of them half done.
 */
export class SharedLock {
  #running = 0;
  #exclusiveWork: Promise<void> | undefined;
  #whenIdle: (() => void) | undefined;

  /** Runs `job` in parallel with other shared jobs, after any exclusive work. */
  async shared(job: () => Promise<void>): Promise<void> {
    while (this.#exclusiveWork !== undefined) await this.#exclusiveWork;
    this.#running += 1;
    try {
      await job();
    } finally {
      this.#running -= 1;
      if (this.#running === 0) this.#whenIdle?.();
    }
  }

  /** Runs `work` alone, after all running jobs have ended. Never call it from a shared job: it would wait for itself. */
  async exclusive<T>(work: () => Promise<T>): Promise<T> {
    while (this.#exclusiveWork !== undefined) await this.#exclusiveWork;
    let release: () => void = () => {};
    this.#exclusiveWork = new Promise((resolve) => {
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
      this.#exclusiveWork = undefined;
      release();
    }
  }
}
