/**
 * Notices changes of a file: at once from kernel events, and otherwise at the next poll, where the kernel sends no
 * event. Waits until the file no longer changes, because half of a line that is being written can be a valid sequence.
 */
import { type FSWatcher, lstatSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';

export interface FileWatchOptions {
  /** Milliseconds between two checks without a kernel event. */
  readonly pollMs: number;
  /** Milliseconds without a change after which the file counts as complete. */
  readonly settleMs: number;
  readonly onChange: () => void;
}

/** After so many checks a file is read even if it still changes. */
const MAX_CHECKS = 20;

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
      this.#check();
    }, options.pollMs).unref();
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#poll);
    clearTimeout(this.#settling);
    this.#watcher?.close();
  }

  /** Watches the folder, because a file that is renamed over this one is a new file. */
  #watch(): void {
    try {
      const watcher = watch(dirname(this.#path), { persistent: false }, (_event, name) => {
        if (name === null || name === basename(this.#path)) this.#check();
      });
      this.#watcher = watcher;
      watcher.on('error', () => {
        watcher.close();
        this.#watcher = undefined;
      });
    } catch {
      // The folder is missing, or the kernel has no watches left: the poll tries again.
      this.#watcher = undefined;
    }
  }

  #check(): void {
    if (this.#stopped || this.#settling !== undefined) return;
    const seen = signature(this.#path);
    if (seen !== this.#known) this.#settle(seen, 1);
  }

  #settle(seen: string, checks: number): void {
    this.#settling = setTimeout(() => {
      this.#settling = undefined;
      const now = signature(this.#path);
      if (now !== seen && checks < MAX_CHECKS) return this.#settle(now, checks + 1);
      this.#known = now;
      this.#options.onChange();
    }, this.#options.settleMs).unref();
  }
}

/** Changes with the file, and with the permissions of its folder. */
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
