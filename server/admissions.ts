/**
 * Carries out what the engine decided, in the one order that is safe: spend and journal durably, then open, then
 * schedule the close; each step only when the one before it succeeded. Owns the retries of closes, until they work; those
 * of spends are spending's.
 */
import { type AddressKey, formatAddress } from '../shared/address.ts';
import type { Clock } from './clock.ts';
import type { Admission, Engine } from './core/engine.ts';
import type { Grant } from './core/grants.ts';
import { formatProblemOf } from './error-text.ts';
import { type ActionDoor, type Firewall, hasClose, opensOnce } from './firewall/firewall.ts';
import { KeyedQueue } from './keyed-queue.ts';
import type { KnockdWords } from './knockd-words.ts';
import type { Log, LogFields } from './log.ts';
import { isUsedUp } from './once-watch.ts';
import { type LineStriker, type Spendable, Spending } from './spending.ts';
import type { Store } from './store/store.ts';
import type { Turnstile } from './turnstile.ts';

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 30_000;
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
  readonly words: KnockdWords;
  readonly doorOf: (name: string) => ActionDoor | undefined;
  /** Openings and closings go on in it together; whoever needs the doors to stand still is alone in it. */
  readonly turnstile: Turnstile;
  /** Called when the set of grants changed: the next close may be due at another time. */
  readonly onGrantsChanged: () => void;
  /** Resolves when packets to what became live by the spend are heard; soon in any case, and never rejects. */
  readonly whenNextIsHeard: () => Promise<void>;
}

export class Admissions {
  readonly #deps: AdmissionsDeps;
  readonly #queue = new KeyedQueue();
  readonly #spending: Spending;
  /** Closes that failed, by (door, source), with the pause before the next try. */
  readonly #closing = new Map<string, number>();
  /** Of grants whose door was taken away or opens otherwise now: the door that opened them, which alone can close them. */
  readonly #openedBy = new Map<string, ActionDoor>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #stopped = false;
  #freeWaiting = 0;
  opened = 0;
  failed = 0;

  constructor(deps: AdmissionsDeps) {
    this.#deps = deps;
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
      this.#enqueue(admission, () => this.#carryOut(admission), turn);
      return true;
    }
    if (this.#freeWaiting >= MAX_FREE_WAITING || this.#deps.engine.grants.size >= MAX_FREE_GRANTS) return false;
    this.#freeWaiting += 1;
    const job = () =>
      this.#carryOut(admission).finally(() => {
        this.#freeWaiting -= 1;
      });
    this.#enqueue(admission, job, turn);
    return true;
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
      if (engine.grants.get(grant.door, grant.source) !== grant || this.#openedBy.has(keyOf(grant))) continue;
      engine.grants.remove(grant.door, grant.source);
      log.info('used', { door: grant.door, source: formatAddress(grant.source), client: grant.client });
      this.#enqueue(grant, async () => {
        const door = this.#deps.doorOf(grant.door);
        // A knock that came meanwhile has a grant of its own, in the kernel and in the journal.
        if (door !== undefined && engine.grants.get(grant.door, grant.source) === undefined)
          await this.#undo(door, grant);
      });
    }
  }

  /** Lets a source out that should not have been let in; what is under way for it is waited for. */
  letOut(door: string, source: AddressKey): void {
    this.#startClose({ door, source }, () => true);
  }

  /** Spends durably what opens nothing: a sequence that others know, and that would open to whoever sends it next. */
  spendForNothing(what: Spendable & { readonly source: AddressKey }): void {
    this.#enqueue(what, async () => {
      try {
        await this.#spending.spend(what);
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
    this.#stopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
    await this.#queue.idle();
  }

  async #carryOut(admission: Admission): Promise<void> {
    const { engine, store, firewall, clock, log, words } = this.#deps;
    const fields = {
      door: admission.door,
      source: formatAddress(admission.source),
      client: admission.client,
      ...(admission.strays > 0 ? { strays: admission.strays } : {}),
    };
    const found = this.#deps.doorOf(admission.door);
    const door = engine.isEntitled(admission) && !this.#openedBy.has(keyOf(admission)) ? found : undefined;
    if (door === undefined) {
      await this.#spendOnly(admission, fields);
      return;
    }
    // What has no stop command has nothing to close: no grant is kept, and each knock runs the start command, as in knockd.
    const closes = hasClose(door.action, admission.source);
    const present = engine.grants.get(admission.door, admission.source);
    if (present !== undefined && opensOnce(door.action) && (await isUsedUp(firewall, present))) this.endUsed([present]);
    try {
      await this.#spending.spend(admission, closes ? engine.planGrant(admission, clock.now()) : undefined);
    } catch (error) {
      this.#sayNotStored(fields, error);
      return;
    }
    // The next line of a file is live from now on only; the next factor has been live for long.
    if (admission.spend.kind === 'line') await this.#deps.whenNextIsHeard();
    if (!closes) {
      await this.#openForGood(door, admission, fields);
      return;
    }
    const isExtension = engine.grants.get(admission.door, admission.source) !== undefined;
    const grant = engine.granted(admission, clock.now());
    this.#deps.onGrantsChanged();
    try {
      await firewall.open(door, admission.source, grant.endsAtMs - clock.now().monoMs);
    } catch (error) {
      this.failed += 1;
      log.error('not opened: the door did not move', { ...fields, reason: formatProblemOf(error) });
      await this.#undo(door, grant);
      return;
    }
    this.opened += 1;
    const seconds = Math.round((grant.endsAtMs - clock.now().monoMs) / 1000);
    if (!words.opened(admission)) log.info(isExtension ? 'extended' : 'opened', { ...fields, seconds });
    // Unconfirmed only means that a restart closes it early.
    await store.confirmOpen(admission.door, admission.source).catch((error: unknown) => {
      log.warn('the journal could not be confirmed', { ...fields, reason: formatProblemOf(error) });
    });
  }

  /** The door, or the right to it, was taken away while the knock waited; or the source is still to be put out of it. */
  async #spendOnly(admission: Admission, fields: LogFields): Promise<void> {
    try {
      await this.#spending.spend(admission);
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

  async #openForGood(door: ActionDoor, admission: Admission, fields: LogFields): Promise<void> {
    const { firewall, log, words } = this.#deps;
    try {
      await firewall.open(door, admission.source, 0);
    } catch (error) {
      this.failed += 1;
      log.error('not opened: the door did not move', { ...fields, reason: formatProblemOf(error) });
      return;
    }
    this.opened += 1;
    if (!words.opened(admission)) log.info('opened', fields);
  }

  /** After a failed opening, or a used one: whatever may have been half done is undone once, and the grant forgotten. */
  async #undo(door: ActionDoor, grant: Grant): Promise<void> {
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

  #startClose(grant: Pick<Grant, 'door' | 'source'>, isDue: (present: Grant, nowMs: number) => boolean): void {
    this.#closing.set(keyOf(grant), this.#closing.get(keyOf(grant)) ?? FIRST_RETRY_MS);
    this.#enqueue(grant, async () => {
      const { engine, clock } = this.#deps;
      const present = engine.grants.get(grant.door, grant.source);
      // Looked at again in its turn: a knock that came first may have moved the end, and a close may have been done.
      if (present === undefined || !isDue(present, clock.now().monoMs)) this.#closing.delete(keyOf(grant));
      else await this.#close(present, isDue);
    });
  }

  async #close(grant: Grant, isDue: (present: Grant, nowMs: number) => boolean): Promise<void> {
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
    if (!this.#deps.words.closed(grant)) log.info('closed', fields);
    await store.closeGrant(grant.door, grant.source).catch((error: unknown) => {
      log.warn('the journal could not forget a grant', { ...fields, reason: formatProblemOf(error) });
    });
  }

  #enqueue(
    target: { readonly door: string; readonly source: Grant['source'] },
    job: () => Promise<void>,
    turn: string = keyOf(target),
  ): void {
    const inTurnstile = () => this.#deps.turnstile.shared(job);
    this.#queue.run(turn, inTurnstile, (error) => {
      this.#deps.log.error('unexpected failure', { door: target.door, reason: formatProblemOf(error) });
    });
  }
}

function keyOf({ door, source }: { readonly door: string; readonly source: Grant['source'] }): string {
  return `${source}${door}`;
}
