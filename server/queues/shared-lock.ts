/**
 * Work that may go on side by side, and now and then something that must be alone: openings and closings of doors go on
 * together, while a firewall that is built anew from what is open must see none of them half done.
 */
export class SharedLock {
  #running = 0;
  #closed: Promise<void> | undefined;
  #whenIdle: (() => void) | undefined;

  /** Runs `job` beside others, after whatever is alone. */
  async shared(job: () => Promise<void>): Promise<void> {
    while (this.#closed !== undefined) await this.#closed;
    this.#running += 1;
    try {
      await job();
    } finally {
      this.#running -= 1;
      if (this.#running === 0) this.#whenIdle?.();
    }
  }

  /** Runs `work` when what is under way has ended; nothing else begins before it has. Never call it from a shared job. */
  async exclusive<T>(work: () => Promise<T>): Promise<T> {
    while (this.#closed !== undefined) await this.#closed;
    let open: () => void = () => {};
    this.#closed = new Promise((resolve) => {
      open = resolve;
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
      this.#closed = undefined;
      open();
    }
  }
}
