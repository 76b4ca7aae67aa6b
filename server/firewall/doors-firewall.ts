/**
 * All doors as one firewall: hands each verb to the backend of the door's kind. Knows which kind has which backend and
 * nothing of how they work.
 */
import type { AddressKey } from '../../shared/address.ts';
import { KnockError } from '../../shared/errors.ts';
import type { ActionDoor, ActionKind, DoorAction, Firewall, Opening, Place } from './firewall.ts';
import type { TouchedFirewalls } from './touched-firewalls.ts';

/** One for each kind of door that can be prepared. */
export type Backends = Readonly<Partial<Record<ActionKind, Firewall>>>;

export class DoorsFirewall implements Firewall {
  readonly #backends: ReadonlyMap<ActionKind, Firewall>;
  /** Kinds that the prepared doors have: a machine without nftables can have command doors. */
  #used: readonly ActionKind[] = [];
  /** Kinds without doors whose leftovers have been looked for: some of their programs take a second. */
  readonly #clean = new Set<ActionKind>();
  readonly #touched: TouchedFirewalls | undefined;

  /** Without a note of what was touched before, the leftovers of all are looked for. */
  constructor(backends: Backends, touched?: TouchedFirewalls) {
    this.#backends = new Map(Object.entries(backends) as [ActionKind, Firewall][]);
    this.#touched = touched;
  }

  openingsPersist(action: DoorAction): boolean {
    return this.#of(action.kind).openingsPersist(action);
  }

  /** One step for each backend. The first failure rejects; the backends before it are prepared then. */
  async prepare(doors: readonly ActionDoor[], openings: readonly Opening[]): Promise<void> {
    for (const { action } of doors) this.#of(action.kind);
    for (const [kind, backend] of this.#backends) {
      const own = doors.filter(({ action }) => action.kind === kind);
      const names = new Set(own.map(({ name }) => name));
      const theirs = openings.filter(({ door }) => names.has(door));
      // Without doors of its kind a backend still takes away, once, what an earlier configuration left; where it cannot
      // work at all, it left nothing.
      if (own.length > 0) {
        this.#clean.delete(kind);
        await this.#touched?.note(kind);
        await backend.prepare(own, theirs);
      } else if (!this.#clean.has(kind) && this.#touched?.has(kind) !== false) {
        const isClean = await backend.prepare([], []).then(
          () => true,
          () => false,
        );
        this.#clean.add(kind);
        if (isClean) await this.#touched?.forget(kind);
      }
    }
    this.#used = [...this.#backends.keys()].filter((kind) => doors.some(({ action }) => action.kind === kind));
  }

  async open(door: ActionDoor, source: AddressKey, durationMs: number): Promise<void> {
    return this.#of(door.action.kind).open(door, source, durationMs);
  }

  async close(door: ActionDoor, source: AddressKey): Promise<void> {
    return this.#of(door.action.kind).close(door, source);
  }

  async list(): Promise<readonly Opening[]> {
    const lists = await Promise.all(this.#used.map((kind) => this.#of(kind).list()));
    return lists.flat();
  }

  async usedUp(): Promise<readonly Place[]> {
    const lists = await Promise.all(this.#used.map((kind) => this.#of(kind).usedUp?.() ?? []));
    return lists.flat();
  }

  async guardStands(): Promise<boolean> {
    const stand = await Promise.all(this.#used.map((kind) => this.#of(kind).guardStands()));
    return stand.every(Boolean);
  }

  /** Every backend in use is released, even when one fails; the first failure rejects. */
  async release(): Promise<void> {
    const releases = await Promise.allSettled(this.#used.map((kind) => this.#of(kind).release()));
    const failed = releases.find((release) => release.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    this.#used = [];
  }

  /**
   * Takes away whatever is ours, of every backend, in use or not: for the end of it all. Resolves with the kinds that
   * refused, and why; those of programs that are not on this machine are among them.
   */
  async purge(): Promise<ReadonlyMap<ActionKind, unknown>> {
    const refused = new Map<ActionKind, unknown>();
    for (const [kind, backend] of this.#backends) {
      try {
        await backend.prepare([], []);
        await backend.release();
      } catch (error) {
        refused.set(kind, error);
      }
    }
    this.#used = [];
    return refused;
  }

  #of(kind: ActionKind): Firewall {
    const backend = this.#backends.get(kind);
    if (backend === undefined) throw new KnockError('FIREWALL', `there is no way here to open a door by ${kind}`);
    return backend;
  }
}
