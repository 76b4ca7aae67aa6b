/**
 * Notices that a file changed: at once through the kernel, and in any case at the next poll, for file systems and moments
 * in which the kernel says nothing. Waits until the file has come to rest, since half of a line that is being written can
 * be a sequence too. What the file holds is others' business.
 */
import { type FSWatcher, lstatSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';

export interface FileWatchOptions {
  /** Milliseconds between two looks when the kernel says nothing. */
  readonly pollMs: number;
  /** Milliseconds without a change after which a file is at rest. */
  readonly settleMs: number;
  readonly onChange: () => void;
}

/** A file that never comes to rest is read all the same after so many looks. */
const MAX_LOOKS = 20;

export class FileWatch {
  readonly #path: string;
  readonly #options: FileWatchOptions;
  readonly #poll: NodeJS.Timeout;
  #watcher: FSWatcher | undefined;
  #settling: NodeJS.Timeout | undefined;
  #known: string;
  #stopped = false;

  constructor(path: string, options: FileWatchOptions) {
    this.#path = path;
    this.#options = options;
    this.#known = signature(path);
    this.#watch();
    this.#poll = setInterval(() => {
      if (this.#watcher === undefined) this.#watch();
      this.#look();
    }, options.pollMs).unref();
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#poll);
    clearTimeout(this.#settling);
    this.#watcher?.close();
  }

  /** The folder rather than the file: what is renamed over a file is another file. */
  #watch(): void {
    try {
      const watcher = watch(dirname(this.#path), { persistent: false }, (_event, name) => {
        if (name === null || name === basename(this.#path)) this.#look();
      });
      this.#watcher = watcher;
      watcher.on('error', () => {
        watcher.close();
        this.#watcher = undefined;
      });
    } catch {
      // No folder, or no watches left: the poll tries again.
      this.#watcher = undefined;
    }
  }

  #look(): void {
    if (this.#stopped || this.#settling !== undefined) return;
    const seen = signature(this.#path);
    if (seen !== this.#known) this.#settle(seen, 1);
  }

  #settle(seen: string, looks: number): void {
    this.#settling = setTimeout(() => {
      this.#settling = undefined;
      const now = signature(this.#path);
      if (now !== seen && looks < MAX_LOOKS) return this.#settle(now, looks + 1);
      this.#known = now;
      this.#options.onChange();
    }, this.#options.settleMs).unref();
  }
}

/** Changes whenever the file, or who may change it, does. */
function signature(path: string): string {
  try {
    const file = lstatSync(path, { bigint: true });
    const folder = lstatSync(dirname(path), { bigint: true });
    const { ino, size, mtimeNs, ctimeNs } = file;
    return [ino, size, mtimeNs, ctimeNs, folder.ino, folder.mode, folder.uid].join(' ');
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unknown';
  }
}
