/**
 * All doors as one firewall: passes each verb to the backend of the door's kind.
 */
import type { AddressKey } from '../../shared/address.ts';
import { KnockError } from '../../shared/errors.ts';
import type { ActionDoor, ActionKind, DoorAction, Firewall, Opening, Place } from './firewall.ts';
import type { TouchedFirewalls } from './touched-firewalls.ts';

/** The backend of each kind of door. */
export type Backends = Readonly<Partial<Record<ActionKind, Firewall>>>;

export class DoorsFirewall implements Firewall {
  readonly #backends: ReadonlyMap<ActionKind, Firewall>;
  /** Kinds of the prepared doors: a machine without nftables can have command doors. */
  #used: readonly ActionKind[] = [];
  /** Kinds without doors whose leftovers were already searched for: some of their programs take a second. */
  readonly #clean = new Set<ActionKind>();
  readonly #touched: TouchedFirewalls | undefined;

  /** Without `touched`, leftovers are searched for in every backend. */
  constructor(backends: Backends, touched?: TouchedFirewalls) {
    this.#backends = new Map(Object.entries(backends) as [ActionKind, Firewall][]);
    this.#touched = touched;
  }

  openingsPersist(action: DoorAction): boolean {
    return this.#of(action.kind).openingsPersist(action);
  }

  /** Prepares one backend after the other. The first failure rejects; the backends before it stay prepared. */
  async prepare(doors: readonly ActionDoor[], openings: readonly Opening[]): Promise<void> {
    for (const { action } of doors) this.#of(action.kind);
    for (const [kind, backend] of this.#backends) {
      const ofKind = doors.filter(({ action }) => action.kind === kind);
      const isOurs = ({ door }: Opening) => ofKind.some(({ name }) => name === door);
      // A backend without doors still removes, once, what an earlier configuration left. Where it cannot work at all,
      // it left nothing.
      if (ofKind.length > 0) {
        this.#clean.delete(kind);
        await this.#touched?.note(kind);
        await backend.prepare(ofKind, openings.filter(isOurs));
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

  /** Releases every backend in use, even when one fails; rejects with the first failure. */
  async release(): Promise<void> {
    const releases = await Promise.allSettled(this.#used.map((kind) => this.#of(kind).release()));
    const failed = releases.find((release) => release.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    this.#used = [];
  }

  /**
   * Removes everything of ours from every backend, in use or not. Resolves with the kinds that failed, each with its
   * error; kinds whose programs are not on this machine are among them.
   */
  async purge(): Promise<ReadonlyMap<ActionKind, unknown>> {
    const failures = new Map<ActionKind, unknown>();
    for (const [kind, backend] of this.#backends) {
      try {
        await backend.prepare([], []);
        await backend.release();
      } catch (error) {
        failures.set(kind, error);
      }
    }
    this.#used = [];
    return failures;
  }

  #of(kind: ActionKind): Firewall {
    const backend = this.#backends.get(kind);
    if (backend === undefined) throw new KnockError('FIREWALL', `no backend opens doors by ${kind} here`);
    return backend;
  }
}
