/**
 * A bastion that can crash: the real engine, admissions, restoring and clock watching over a real store, with a clock that
 * the test moves and a firewall that records its calls. Durable data and the firewall's state survive a crash; everything
 * else is created again. Each opening is checked against the durable log.
 */
import assert from 'node:assert/strict';
import type { ServerConfig } from '../../../server/config/config.ts';
import { type DoorPolicy, type Enrolment, type FactorState, TCP_SYN, UNUSED } from '../../../server/core/door.ts';
import { Engine } from '../../../server/core/engine.ts';
import { Admissions } from '../../../server/daemon/admissions.ts';
import { KnockdLogLines } from '../../../server/daemon/knockd-log-lines.ts';
import { restoreGrants } from '../../../server/daemon/restore-grants.ts';
import { ClockWatch } from '../../../server/daemon/watches/clock-watch.ts';
import type { Firewall, Opening } from '../../../server/firewall/firewall.ts';
import type { Log } from '../../../server/log/log.ts';
import { SharedLock } from '../../../server/queues/shared-lock.ts';
import type { FactorOwner, JournaledGrant, Store, StoredState } from '../../../server/store/store.ts';
import type { AddressKey } from '../../../shared/address.ts';
import { KnockError } from '../../../shared/errors.ts';
import type { Pair } from '../../../shared/knock.ts';
import { address, SERVER } from '../core/doors.ts';

const HERE = address('203.0.113.1');
const SILENT: Log = { debug() {}, info() {}, warn() {}, error() {}, knockd() {} };

/** A durable change or a firewall action; the log has them in order. */
export type Entry =
  | { readonly kind: 'spend'; readonly place: string; readonly owner: string; readonly factor: number }
  | { readonly kind: 'open' | 'close'; readonly place: string };

export class AdmissionWorld {
  readonly log: Entry[] = [];
  /** The (door, source) places that the firewall lets in now. */
  readonly open = new Set<string>();
  storeFails = false;
  firewallRefuses: 'nothing' | 'open' | 'close' = 'nothing';
  /** The next opening never returns: it hangs before or after its effect. */
  hangs: 'before' | 'after' | undefined;
  wallMs = 30_000_000 + 12_000;
  monoMs = 1_000;
  engine: Engine;
  admissions: Admissions;
  #clockWatch: ClockWatch;
  readonly #doors: readonly DoorPolicy[];
  readonly #config: ServerConfig;
  readonly #store: Store;
  readonly #firewall: Firewall;
  /**
   * Places that are closed, but not in the journal, because the disk was full. A crash now lets them in once more, for the
   * rest of their time. Only a working disk could prevent that.
   */
  readonly #unjournaledCloses = new Set<string>();
  /** Incremented by a crash: later calls of an earlier life have no effect. */
  #life = 0;

  constructor(store: Store, doors: readonly DoorPolicy[], config: ServerConfig) {
    this.#store = this.#watched(store);
    this.#doors = doors;
    this.#config = config;
    this.#firewall = this.#recording();
    [this.engine, this.admissions, this.#clockWatch] = this.#born();
  }

  get now() {
    return { wallMs: this.wallMs, monoMs: this.monoMs };
  }

  pass(ms: number): void {
    this.wallMs += ms;
    this.monoMs += ms;
  }

  /** Discards everything in memory, in the middle of its work, and starts a new daemon. */
  async restart(enrolments: readonly Enrolment[]): Promise<void> {
    this.#life += 1;
    this.hangs = undefined;
    [this.engine, this.admissions, this.#clockWatch] = this.#born();
    const { factors, grants, clockHighWater } = await this.#store.load();
    this.engine.noteClock(clockHighWater);
    for (const enrolment of enrolments) this.enrol(enrolment, factors);
    const openings = await restoreGrants(grants, this.engine, this.#deps());
    await this.#firewall.prepare(this.#config.doors, openings);
    await this.tick();
  }

  async enrolAgain(enrolment: Enrolment): Promise<void> {
    this.enrol(enrolment, (await this.#store.load()).factors);
  }

  enrol(enrolment: Enrolment, factors: readonly (FactorOwner & FactorState)[]): void {
    const { door, client, keyId } = enrolment;
    const stored = factors.find((each) => each.door === door && each.client === client && each.keyId === keyId);
    this.engine.enrol(enrolment, stored ?? UNUSED);
  }

  async revoke(door: string, client: string): Promise<void> {
    this.engine.revoke(door, client);
    this.admissions.closings.closeNow(
      this.engine.grants.all.filter((each) => each.door === door && each.client === client),
    );
    await this.settled();
  }

  async knock(pairs: readonly Pair[], source: AddressKey): Promise<void> {
    this.#advance();
    for (const pair of pairs) {
      this.pass(1);
      for (const effect of this.engine.decidePacket(this.monoMs, source, HERE, pair, TCP_SYN, true, this.now)) {
        if (effect.kind === 'admit') assert.ok(this.admissions.admit(effect));
      }
    }
    await this.settled();
  }

  async tick(): Promise<void> {
    this.#clockWatch.onTick(this.now);
    this.#advance();
    this.admissions.closings.closeDue();
    await this.settled();
  }

  /** Lets all pending promises settle. The fake edges settle at once, so this does not depend on time. */
  async settled(): Promise<void> {
    for (let turn = 0; turn < 12; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }

  /** Asserts that the daemon's grants equal the firewall's state, unless the firewall refuses to close or hangs. */
  checkBelief(): void {
    const believed = this.engine.grants.all.map(({ door, source }) => placeOf(door, source));
    for (const place of this.open) assert.ok(believed.includes(place), `${place} is open and the daemon does not know`);
    if (this.firewallRefuses === 'close' || this.hangs !== undefined) return;
    // A grant that is due may wait for another try of its close.
    for (const { door, source, endsAtMs } of this.engine.grants.all) {
      const place = placeOf(door, source);
      if (endsAtMs > this.monoMs) assert.ok(this.open.has(place), `the daemon believes ${place} to be open`);
    }
  }

  #advance(): void {
    while (!this.engine.advance(this.now, 150));
  }

  #born(): [Engine, Admissions, ClockWatch] {
    const engine = new Engine(SERVER, this.#doors);
    const deps = { ...this.#deps(), engine };
    const admissions = new Admissions({
      ...deps,
      lines: { strike: async () => assert.fail('no line to strike') },
      doorsLock: new SharedLock(),
      knockdLines: new KnockdLogLines({ doors: () => this.#config.doors, log: SILENT }),
      doorOf: (name) => this.#config.doors.find((door) => door.name === name),
      onGrantsChanged: () => {},
      whenLivePairsHeard: () => Promise.resolve(),
    });
    return [engine, admissions, new ClockWatch({ ...deps, doors: () => this.#doors.map(({ name }) => name) })];
  }

  #deps() {
    const clock = { now: () => this.now };
    return { clock, config: this.#config, firewall: this.#firewall, store: this.#store, log: SILENT };
  }

  /** Wraps the store: records durable changes, and can refuse everything like a full disk. */
  #watched(store: Store): Store {
    const refuse = () => {
      if (this.storeFails) throw new KnockError('STORE', 'no space left on device');
    };
    return {
      load: (): Promise<StoredState> => store.load(),
      spend: async (owner: FactorOwner, factor: FactorState, grant?: Omit<JournaledGrant, 'confirmed'>) => {
        refuse();
        await store.spend(owner, factor, grant);
        const place = grant === undefined ? '' : placeOf(grant.door, grant.source);
        this.log.push({ kind: 'spend', place, owner: `${owner.door} ${owner.keyId}`, factor: factor.spent });
      },
      journal: async () => assert.fail('nothing is journaled without a spend here'),
      confirmOpen: async (door: string, source: AddressKey) => {
        refuse();
        await store.confirmOpen(door, source);
      },
      closeGrant: async (door: string, source: AddressKey) => {
        this.#unjournaledCloses.add(placeOf(door, source));
        refuse();
        await store.closeGrant(door, source);
        this.#unjournaledCloses.delete(placeOf(door, source));
      },
      noteService: async () => assert.fail('there is no service here'),
      forgetService: async () => assert.fail('there is no service here'),
      noteClock: async (wallMs: number) => {
        refuse();
        await store.noteClock(wallMs);
      },
      acceptClock: async (wallMs: number) => {
        refuse();
        await store.acceptClock(wallMs);
      },
      close: () => store.close(),
    };
  }

  #recording(): Firewall {
    return {
      openingsPersist: () => true,
      prepare: async (_doors, openings: readonly Opening[]) => {
        const known = new Set(openings.map(({ door, source }) => placeOf(door, source)));
        for (const place of this.open) assert.ok(known.has(place), `${place} stays open and nobody knows`);
        for (const { door, source, remainingMs } of openings) {
          const place = placeOf(door, source);
          if (remainingMs <= 0 || this.open.has(place)) continue;
          assert.ok(this.#unjournaledCloses.has(place), `${place} opens again and nothing was spent for it`);
          this.log.push({ kind: 'open', place });
          this.open.add(place);
        }
      },
      open: async ({ name }, source) => {
        const life = this.#life;
        if (this.hangs === 'before') await new Promise(() => {});
        if (this.firewallRefuses === 'open') throw new KnockError('FIREWALL', 'no room');
        if (life !== this.#life) return;
        const place = placeOf(name, source);
        this.#checkSpent(place);
        this.log.push({ kind: 'open', place });
        this.open.add(place);
        if (this.hangs === 'after') await new Promise(() => {});
      },
      close: async ({ name }, source) => {
        if (this.firewallRefuses === 'close') throw new KnockError('COMMAND', 'exit status 1');
        const place = placeOf(name, source);
        if (this.open.delete(place)) this.log.push({ kind: 'close', place });
      },
      list: async () => [],
      guardStands: async () => true,
      release: async () => {},
    };
  }

  /** Asserts the one rule: since the last opening of this place, a factor was durably spent for it. */
  #checkSpent(place: string): void {
    const since = this.log.findLastIndex((entry) => entry.kind === 'open' && entry.place === place);
    const spent = this.log.slice(since + 1).some((entry) => entry.kind === 'spend' && entry.place === place);
    assert.ok(spent, `${place} opens, and nothing was spent for it before`);
  }
}

export function placeOf(door: string, source: AddressKey): string {
  return `${door} ${source}`;
}
