/**
 * Doors that open once: notices that a grant has been used, which the kernel does by itself and tells nobody. Looks while
 * there are such grants, once a second; what a used grant leads to (it is gone, and the journal forgets it) is admissions'.
 */
import type { Clock } from '../../clock/clock.ts';
import type { Grant, Grants } from '../../core/grants.ts';
import { type ActionDoor, type Firewall, opensOnce } from '../../firewall/firewall.ts';

export interface OpenOnceWatchDeps {
  readonly firewall: Firewall;
  readonly grants: Grants;
  readonly clock: Clock;
  readonly doors: () => readonly ActionDoor[];
  /** Called with grants as they were when the firewall was asked: one that has been renewed since is another. */
  readonly onUsed: (grants: readonly Grant[]) => void;
}

export class OpenOnceWatch {
  readonly #deps: OpenOnceWatchDeps;
  #looking: Promise<void> | undefined;

  constructor(deps: OpenOnceWatchDeps) {
    this.#deps = deps;
  }

  /** Resolves when the grants that were used by now have been told. Never rejects. */
  async look(): Promise<void> {
    const doors = this.#deps.doors().filter(({ action }) => opensOnce(action));
    const grants = this.#deps.grants.all.filter((grant) => doors.some(({ name }) => name === grant.door));
    if (grants.length === 0) return;
    this.#looking ??= this.#ask(grants).finally(() => {
      this.#looking = undefined;
    });
    await this.#looking;
  }

  async #ask(grants: readonly Grant[]): Promise<void> {
    const used = await usedUp(this.#deps.firewall);
    const gone = grants.filter((grant) => used.some((place) => isSame(place, grant)));
    if (gone.length > 0) this.#deps.onUsed(gone);
  }
}

/** Whether this grant has let its connection in. */
export async function isUsedUp(firewall: Firewall, grant: Grant): Promise<boolean> {
  return (await usedUp(firewall)).some((place) => isSame(place, grant));
}

/** A firewall that cannot tell now has a table that is gone, which is for the guard's watch to say. */
async function usedUp(firewall: Firewall): Promise<readonly Pick<Grant, 'door' | 'source'>[]> {
  try {
    return (await firewall.usedUp?.()) ?? [];
  } catch {
    return [];
  }
}

function isSame(a: Pick<Grant, 'door' | 'source'>, b: Pick<Grant, 'door' | 'source'>): boolean {
  return a.door === b.door && a.source === b.source;
}
