/**
 * Watches that the firewall still is what we made of it. Somebody may flush the whole ruleset: then the guard is gone and
 * doors stand open to everyone until this puts it back, with the grants that are open.
 */
import type { Clock } from './clock.ts';
import type { ServerConfig } from './config/config.ts';
import type { Grants } from './core/grants.ts';
import { formatProblemOf } from './error-text.ts';
import type { Firewall } from './firewall/firewall.ts';
import type { Log } from './log.ts';

const PAUSE_MS = 5_000;

export interface GuardWatchDeps {
  readonly config: ServerConfig;
  readonly firewall: Firewall;
  readonly grants: Grants;
  readonly clock: Clock;
  readonly log: Log;
}

export class GuardWatch {
  readonly #deps: GuardWatchDeps;
  #stands = true;
  #nextMs = 0;
  #looking = false;

  /** To be made when the firewall has been prepared. */
  constructor(deps: GuardWatchDeps) {
    this.#deps = deps;
  }

  /** As of the last look. */
  get stands(): boolean {
    return this.#stands;
  }

  /** Looks when it is time to, one look at a time. */
  onTick(): void {
    const { monoMs } = this.#deps.clock.now();
    if (monoMs < this.#nextMs || this.#looking) return;
    this.#nextMs = monoMs + PAUSE_MS;
    this.#looking = true;
    void this.#look().finally(() => {
      this.#looking = false;
    });
  }

  async #look(): Promise<void> {
    const { firewall, config, log, grants, clock } = this.#deps;
    try {
      if (!(await firewall.guardStands())) {
        if (this.#stands) log.error('the guard is gone from the firewall, putting it back');
        this.#stands = false;
        const { monoMs } = clock.now();
        const left = grants.all.map(({ door, source, endsAtMs }) => ({ door, source, remainingMs: endsAtMs - monoMs }));
        await firewall.prepare(
          config.doors,
          left.filter(({ remainingMs }) => remainingMs > 0),
        );
      }
      this.#stands = true;
    } catch (error) {
      this.#stands = false;
      log.error('the guard could not be checked or put back', { reason: formatProblemOf(error) });
    }
  }
}
