/**
 * Closing: grants that end, that are taken back, and that were used up. Each in its turn with the openings of the same
 * source, by the door that opened it, and again until it works.
 */
import { type AddressKey, formatAddress } from '../../shared/address.ts';
import type { Clock } from '../clock/clock.ts';
import type { Engine } from '../core/engine.ts';
import type { Grant } from '../core/grants.ts';
import type { ActionDoor, Firewall } from '../firewall/firewall.ts';
import { formatProblemOf } from '../log/error-text.ts';
import type { Log } from '../log/log.ts';
import { type DoorPlace, type DoorQueues, keyOf } from '../queues/door-queues.ts';
import type { Store } from '../store/store.ts';
import type { KnockdLogLines } from './knockd-log-lines.ts';

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 30_000;

export interface ClosingsDeps {
  readonly engine: Engine;
  readonly store: Store;
  readonly firewall: Firewall;
  readonly clock: Clock;
  readonly log: Log;
  readonly knockdLines: KnockdLogLines;
  readonly doorOf: (name: string) => ActionDoor | undefined;
  readonly queues: DoorQueues;
}

export class Closings {
  readonly #deps: ClosingsDeps;
  /** Closes that failed, by (door, source), with the pause before the next try. */
  readonly #closing = new Map<string, number>();
  /** Of grants whose door was taken away or opens otherwise now: the door that opened them, which alone can close them. */
  readonly #openedBy = new Map<string, ActionDoor>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #stopped = false;

  constructor(deps: ClosingsDeps) {
    this.#deps = deps;
  }

  /** Whether the source is still to be put out of the door as it was. */
  isOwed(place: DoorPlace): boolean {
    return this.#openedBy.has(keyOf(place));
  }

  /** Closes grants whose end has come by now; one that was extended meanwhile stays. */
  closeDue(): void {
    for (const grant of this.#deps.engine.grants.due(this.#deps.clock.now().monoMs)) {
      if (!this.#closing.has(keyOf(grant))) this.#startClose(grant, (present, nowMs) => present.endsAtMs <= nowMs);
    }
  }

  /** Closes grants now, whatever their end: a revoked client's, or all when the daemon stops. */
  closeNow(grants: readonly Grant[]): void {
    for (const grant of grants) this.#startClose(grant, () => true);
  }

  /** Closes what is open by a door that is no more, or that opens otherwise from now on, as it was opened. */
  closeRetired(door: ActionDoor): void {
    const grants = this.#deps.engine.grants.all.filter((grant) => grant.door === door.name);
    for (const grant of grants) {
      // An earlier one that is not closed yet was opened by an earlier door still.
      if (!this.#openedBy.has(keyOf(grant))) this.#openedBy.set(keyOf(grant), door);
    }
    this.closeNow(grants);
  }

  /** Grants that have let their one connection in. One that was renewed since is another grant, and stays. */
  endUsed(grants: readonly Grant[]): void {
    const { engine, log } = this.#deps;
    for (const grant of grants) {
      if (engine.grants.get(grant.door, grant.source) !== grant || this.isOwed(grant)) continue;
      engine.grants.remove(grant.door, grant.source);
      log.info('used', { door: grant.door, source: formatAddress(grant.source), client: grant.client });
      this.#deps.queues.run(grant, async () => {
        const door = this.#deps.doorOf(grant.door);
        // A knock that came meanwhile has a grant of its own, in the kernel and in the journal.
        if (door !== undefined && engine.grants.get(grant.door, grant.source) === undefined)
          await this.undo(door, grant);
      });
    }
  }

  /** Lets a source out that should not have been let in; what is under way for it is waited for. */
  letOut(door: string, source: AddressKey): void {
    this.#startClose({ door, source }, () => true);
  }

  /** After a failed opening, or a used one: whatever may have been half done is undone once, and the grant forgotten. */
  async undo(door: ActionDoor, grant: Grant): Promise<void> {
    const { engine, store, firewall, log } = this.#deps;
    const fields = { door: door.name, source: formatAddress(grant.source) };
    await firewall.close(door, grant.source).catch((error: unknown) => {
      log.warn('closing, to be sure, failed', { ...fields, reason: formatProblemOf(error) });
    });
    engine.grants.remove(door.name, grant.source);
    await store.closeGrant(door.name, grant.source).catch((error: unknown) => {
      log.warn('the journal could not forget a grant', { ...fields, reason: formatProblemOf(error) });
    });
  }

  /** Closes that keep failing are given up from now on. */
  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
  }

  #startClose(grant: DoorPlace, isDue: (present: Grant, nowMs: number) => boolean): void {
    this.#closing.set(keyOf(grant), this.#closing.get(keyOf(grant)) ?? FIRST_RETRY_MS);
    this.#deps.queues.run(grant, async () => {
      const { engine, clock } = this.#deps;
      const present = engine.grants.get(grant.door, grant.source);
      // Looked at again in its turn: a knock that came first may have moved the end, and a close may have been done.
      if (present === undefined || !isDue(present, clock.now().monoMs)) this.#closing.delete(keyOf(grant));
      else await this.#closeDoor(present, isDue);
    });
  }

  async #closeDoor(grant: Grant, isDue: (present: Grant, nowMs: number) => boolean): Promise<void> {
    const { engine, store, firewall, log } = this.#deps;
    const door = this.#openedBy.get(keyOf(grant)) ?? this.#deps.doorOf(grant.door);
    const fields = { door: grant.door, source: formatAddress(grant.source), client: grant.client };
    try {
      if (door !== undefined) await firewall.close(door, grant.source);
    } catch (error) {
      const pauseMs = this.#closing.get(keyOf(grant)) ?? FIRST_RETRY_MS;
      log.error('not closed, will try again', { ...fields, reason: formatProblemOf(error), seconds: pauseMs / 1000 });
      if (this.#stopped) return;
      this.#closing.set(keyOf(grant), Math.min(pauseMs * 2, LAST_RETRY_MS));
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        this.#startClose(grant, isDue);
      }, pauseMs);
      this.#timers.add(timer);
      return;
    }
    this.#closing.delete(keyOf(grant));
    this.#openedBy.delete(keyOf(grant));
    engine.grants.remove(grant.door, grant.source);
    if (!this.#deps.knockdLines.closed(grant)) log.info('closed', fields);
    await store.closeGrant(grant.door, grant.source).catch((error: unknown) => {
      log.warn('the journal could not forget a grant', { ...fields, reason: formatProblemOf(error) });
    });
  }
}
