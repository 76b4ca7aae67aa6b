/**
 * Carries out what the engine decided, in the one order that is safe: spend and journal durably, then open, then
 * schedule the close; each step only when the one before it succeeded. Closing is server/daemon/closings', the retries of spends
 * are spending's.
 */
import { type AddressKey, formatAddress } from '../../shared/address.ts';
import type { Clock } from '../clock/clock.ts';
import type { Admission, Engine } from '../core/engine.ts';
import { type ActionDoor, type Firewall, hasClose, opensOnce } from '../firewall/firewall.ts';
import { formatProblemOf } from '../log/error-text.ts';
import type { Log, LogFields } from '../log/log.ts';
import type { LineStriker } from '../one-time/line-striker.ts';
import { DoorQueues, keyOf } from '../queues/door-queues.ts';
import type { SharedLock } from '../queues/shared-lock.ts';
import type { Store } from '../store/store.ts';
import { Closings } from './closings.ts';
import type { KnockdLogLines } from './knockd-log-lines.ts';
import { type Spendable, Spending } from './spending.ts';
import { isUsedUp } from './watches/open-once-watch.ts';

/**
 * A static sequence can be sent by whoever has seen it, from as many forged addresses as he likes: so many openings may be
 * waiting, and so many be in force, before further ones are refused.
 */
const MAX_FREE_WAITING = 256;
const MAX_FREE_GRANTS = 4_096;

export interface AdmissionsDeps {
  readonly engine: Engine;
  readonly store: Store;
  readonly firewall: Firewall;
  readonly clock: Clock;
  readonly log: Log;
  readonly lines: LineStriker;
  /** Says what happens at doors with written-down sequences as knockd does. */
  readonly knockdLines: KnockdLogLines;
  readonly doorOf: (name: string) => ActionDoor | undefined;
  /** Openings and closings go on in it together; whoever needs the doors to stand still is alone in it. */
  readonly doorsLock: SharedLock;
  /** Called when the set of grants changed: the next close may be due at another time. */
  readonly onGrantsChanged: () => void;
  /** Has the service of a door run that has one, until the answer is called. Rejects when it does not. */
  readonly useService?: (door: string) => Promise<() => void>;
  /** Resolves when packets to what became live by the spend are heard; soon in any case, and never rejects. */
  readonly whenLivePairsHeard: () => Promise<void>;
}

export class Admissions {
  readonly #deps: AdmissionsDeps;
  readonly #turns: DoorQueues;
  readonly closings: Closings;
  readonly #spending: Spending;
  #freeWaiting = 0;
  opened = 0;
  failed = 0;

  constructor(deps: AdmissionsDeps) {
    this.#deps = deps;
    this.#turns = new DoorQueues(deps.doorsLock, deps.log);
    this.closings = new Closings({ ...deps, queues: this.#turns });
    this.#spending = new Spending(deps);
  }

  get unwrittenSpends(): number {
    return this.#spending.unwritten;
  }

  /** False when it is refused: too much is under way that costs nobody a one-time sequence. */
  admit(admission: Admission): boolean {
    const door = this.#deps.doorOf(admission.door);
    // What nothing of ours closes, the knocker closes himself by another door: the commands of one source keep the order
    // of its knocks across such doors.
    const turn = door === undefined || hasClose(door.action, admission.source) ? keyOf(admission) : admission.source;
    if (admission.spend.kind !== 'nothing') {
      this.#turns.run(admission, () => this.#spendThenOpen(admission), turn);
      return true;
    }
    if (this.#freeWaiting >= MAX_FREE_WAITING || this.#deps.engine.grants.size >= MAX_FREE_GRANTS) return false;
    this.#freeWaiting += 1;
    const job = () =>
      this.#spendThenOpen(admission).finally(() => {
        this.#freeWaiting -= 1;
      });
    this.#turns.run(admission, job, turn);
    return true;
  }

  /** Spends durably what opens nothing: a sequence that others know, and that would open to whoever sends it next. */
  spendForNothing(what: Spendable & { readonly source: AddressKey }): void {
    this.#turns.run(what, async () => {
      try {
        await this.#spending.spendDurably(what);
      } catch (error) {
        const fields = { door: what.door, client: what.client, reason: formatProblemOf(error) };
        this.#deps.log.error('what was refused could not be stored as used', fields);
      }
    });
  }

  /** Tries again to write spends that could not be written. True when nothing is left unwritten. */
  async retryUnwritten(): Promise<boolean> {
    return await this.#spending.retry();
  }

  /** Waits for everything under way; closes that keep failing are given up after this. */
  async drain(): Promise<void> {
    this.closings.stop();
    await this.#turns.idle();
  }

  async #spendThenOpen(admission: Admission): Promise<void> {
    const { engine, firewall, clock, log } = this.#deps;
    const fields = {
      door: admission.door,
      source: formatAddress(admission.source),
      client: admission.client,
      ...(admission.strays > 0 ? { strays: admission.strays } : {}),
    };
    const found = this.#deps.doorOf(admission.door);
    const door = engine.isEntitled(admission) && !this.closings.isOwed(admission) ? found : undefined;
    if (door === undefined) {
      await this.#spendOnly(admission, fields);
      return;
    }
    // What has no stop command has nothing to close: no grant is kept, and each knock runs the start command, as in knockd.
    const closes = hasClose(door.action, admission.source);
    const present = engine.grants.get(admission.door, admission.source);
    if (present !== undefined && opensOnce(door.action) && (await isUsedUp(firewall, present)))
      this.closings.endUsed([present]);
    try {
      await this.#spending.spendDurably(admission, closes ? engine.planGrant(admission, clock.now()) : undefined);
    } catch (error) {
      this.#sayNotStored(fields, error);
      return;
    }
    // The next line of a file is live from now on only; the next factor has been live for long.
    if (admission.spend.kind === 'line') await this.#deps.whenLivePairsHeard();
    if (!closes) {
      await this.#openWithoutGrant(door, admission, fields);
      return;
    }
    let release: (() => void) | undefined;
    try {
      release = await this.#deps.useService?.(door.name);
    } catch (error) {
      this.failed += 1;
      log.error('not opened: its service does not run', { ...fields, reason: formatProblemOf(error) });
      await this.closings.undo(door, engine.planGrant(admission, clock.now()));
      return;
    }
    await this.#openDoor(door, admission, fields).finally(release);
  }

  /** What is spent, and may open. */
  async #openDoor(door: ActionDoor, admission: Admission, fields: LogFields): Promise<void> {
    const { engine, store, firewall, clock, log, knockdLines } = this.#deps;
    const isExtension = engine.grants.get(admission.door, admission.source) !== undefined;
    const grant = engine.granted(admission, clock.now());
    this.#deps.onGrantsChanged();
    try {
      await firewall.open(door, admission.source, grant.endsAtMs - clock.now().monoMs);
    } catch (error) {
      this.failed += 1;
      log.error('not opened: the door did not move', { ...fields, reason: formatProblemOf(error) });
      await this.closings.undo(door, grant);
      return;
    }
    this.opened += 1;
    const seconds = Math.round((grant.endsAtMs - clock.now().monoMs) / 1000);
    if (!knockdLines.opened(admission)) log.info(isExtension ? 'extended' : 'opened', { ...fields, seconds });
    // Unconfirmed only means that a restart closes it early.
    await store.confirmOpen(admission.door, admission.source).catch((error: unknown) => {
      log.warn('the journal could not be confirmed', { ...fields, reason: formatProblemOf(error) });
    });
  }

  /** The door, or the right to it, was taken away while the knock waited; or the source is still to be put out of it. */
  async #spendOnly(admission: Admission, fields: LogFields): Promise<void> {
    try {
      await this.#spending.spendDurably(admission);
      this.failed += 1;
      this.#deps.log.warn('not opened: the door was changed meanwhile', fields);
    } catch (error) {
      this.#sayNotStored(fields, error);
    }
  }

  #sayNotStored(fields: LogFields, error: unknown): void {
    this.failed += 1;
    this.#deps.log.error('not opened: what was used could not be stored', {
      ...fields,
      reason: formatProblemOf(error),
    });
  }

  async #openWithoutGrant(door: ActionDoor, admission: Admission, fields: LogFields): Promise<void> {
    const { firewall, log, knockdLines } = this.#deps;
    try {
      await firewall.open(door, admission.source, 0);
    } catch (error) {
      this.failed += 1;
      log.error('not opened: the door did not move', { ...fields, reason: formatProblemOf(error) });
      return;
    }
    this.opened += 1;
    if (!knockdLines.opened(admission)) log.info('opened', fields);
  }
}
