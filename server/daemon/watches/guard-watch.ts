/**
 * Watches that the firewall still is what we made of it. Somebody may flush the whole ruleset: then the guard is gone and
 * doors stand open to everyone until this puts it back, with the grants that are open.
 */
import type { Clock } from '../../clock/clock.ts';
import type { Grants } from '../../core/grants.ts';
import type { ActionDoor, Firewall, Opening } from '../../firewall/firewall.ts';
import { formatProblemOf } from '../../log/error-text.ts';
import type { Log } from '../../log/log.ts';
import type { SharedLock } from '../../queues/shared-lock.ts';

const PAUSE_MS = 5_000;

export interface GuardWatchDeps {
  /** As they are configured now. */
  readonly doors: () => readonly ActionDoor[];
  readonly doorsLock: SharedLock;
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
    const { firewall, log, doorsLock } = this.#deps;
    try {
      if (!(await firewall.guardStands())) {
        if (this.#stands) log.error('the guard is gone from the firewall, putting it back');
        this.#stands = false;
        // What opens or closes meanwhile would be undone.
        await doorsLock.exclusive(() => this.#putBack());
      }
      this.#stands = true;
    } catch (error) {
      this.#stands = false;
      log.error('the guard could not be checked or put back', { reason: formatProblemOf(error) });
    }
  }

  async #putBack(): Promise<void> {
    const { firewall, doors, grants, clock } = this.#deps;
    await firewall.prepare(doors(), openingsOf(grants, clock.now().monoMs));
  }
}

/** What is open at `monoMs`, as a firewall that is built anew needs it. */
export function openingsOf(grants: Grants, monoMs: number): readonly Opening[] {
  return grants.all
    .map(({ door, source, endsAtMs }) => ({ door, source, remainingMs: endsAtMs - monoMs }))
    .filter(({ remainingMs }) => remainingMs > 0);
}
