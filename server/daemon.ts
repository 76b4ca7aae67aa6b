/**
 * The daemon: wires capture, engine, store, firewall and clock, and owns everything that must happen on time (closing,
 * rotation, clock watching). It decides nothing: what a packet means is server/core's, the order of spending and opening
 * is server/admissions'.
 */
import { type AddressKey, formatAddress, isIpv4 } from '../shared/address.ts';
import { type Pair, pairOf } from '../shared/knock.ts';
import { MAX_STRAYS } from '../shared/odds.ts';
import { Admissions, type LineStriker } from './admissions.ts';
import type { Capture, CaptureStatus } from './capture/capture.ts';
import type { Clock } from './clock.ts';
import { ClockWatch } from './clock-watch.ts';
import type { ConfiguredDoor, DerivedDoor, ServerConfig } from './config/config.ts';
import type { Door, DoorPolicy, Enrolment, ListedLine } from './core/door.ts';
import { UNUSED } from './core/door.ts';
import { type Admission, type Effect, Engine, type Refusal, type StageReached } from './core/engine.ts';
import type { Firewall } from './firewall/firewall.ts';
import { GuardWatch } from './guard-watch.ts';
import { KnockdWords } from './knockd-words.ts';
import type { Log } from './log.ts';
import { createLogLimit } from './log-limit.ts';
import { restoreGrants } from './restore.ts';
import { Rotation } from './rotation.ts';
import { describeStatus, type Status } from './status.ts';
import type { FactorOwner, Store, StoredState } from './store/store.ts';

const TICK_MS = 1_000;
const REFUSALS_PER_MINUTE = 5;
/** Lines for each stage of each door. */
const STAGES_PER_MINUTE = 20;

export interface DaemonDeps {
  readonly version: string;
  readonly config: ServerConfig;
  readonly enrolments: readonly Enrolment[];
  readonly store: Store;
  readonly firewall: Firewall;
  readonly clock: Clock;
  readonly log: Log;
  readonly lines: LineStriker;
  /** Whether an address is one of this host's own, asked for every packet. */
  readonly isOwnAddress: (address: AddressKey) => boolean;
  /** Packets over IPv6 count as if they had not come. */
  readonly ipv4Only?: boolean;
  /** The name of an address, for the log; undefined when there is none in time. Asked after a door has opened only. */
  readonly nameOf?: (address: AddressKey) => Promise<string | undefined>;
  /** The stray budget of a door for a number of enrolled clients. */
  readonly maxStraysOf: (door: DerivedDoor, clients: number) => number;
  readonly readEnrolments: () => Promise<readonly Enrolment[]>;
  readonly createCapture: (onArrival: Daemon['arrive'], onState: (status: CaptureStatus) => void) => Capture;
}

export class Daemon {
  readonly #deps: DaemonDeps;
  readonly #engine: Engine;
  readonly #admissions: Admissions;
  readonly #capture: Capture;
  readonly #limit = createLogLimit(REFUSALS_PER_MINUTE);
  readonly #stages = createLogLimit(STAGES_PER_MINUTE);
  readonly #words: KnockdWords;
  readonly #startedAt: number;
  #stored: StoredState = { factors: [], grants: [], clockHighWater: 0 };
  #tick: NodeJS.Timeout | undefined;
  #closeTimer: NodeJS.Timeout | undefined;
  readonly #rotation: Rotation;
  readonly #clockWatch: ClockWatch;
  #guard: GuardWatch | undefined;
  #nextSpendRetryMs = 0;
  #arrivals = 0;
  #refused = 0;
  #stopping = false;

  constructor(deps: DaemonDeps) {
    this.#deps = deps;
    const { config } = deps;
    const policies = config.doors.map((door) => this.#policyOf(door, countOf(deps.enrolments, door.name)));
    this.#engine = new Engine(config.serverId, policies);
    this.#words = new KnockdWords(deps);
    this.#admissions = new Admissions({
      ...deps,
      engine: this.#engine,
      words: this.#words,
      doorOf: (name) => config.doors.find((door) => door.name === name),
      onGrantsChanged: () => this.#scheduleClose(),
    });
    this.#rotation = new Rotation(this.#engine, deps.clock);
    this.#clockWatch = new ClockWatch({ ...deps, engine: this.#engine, doors: config.doors.map(({ name }) => name) });
    this.#capture = deps.createCapture(this.arrive, (status) => this.#logCapture(status));
    this.#startedAt = deps.clock.now().wallMs;
  }

  /**
   * Loads what is spent, finishes what an earlier run left, closes all doors, and listens. Resolves when every interface
   * has answered for the first time. @throws KnockError STORE, STATE_REFUSED, FIREWALL
   */
  async start(): Promise<void> {
    const { store, firewall, clock, config, enrolments, log } = this.#deps;
    this.#stored = await store.load();
    this.#engine.noteClock(this.#stored.clockHighWater);
    for (const enrolment of enrolments) this.#enrol(enrolment);
    for (const door of config.doors) {
      if (door.kind !== 'static') continue;
      this.setLines(door.name, [{ id: 0, pairs: door.sequence.map(({ protocol, port }) => pairOf(protocol, port)) }]);
    }
    const openings = await restoreGrants(this.#stored.grants, this.#engine, { clock, config, firewall, store, log });
    await firewall.prepare(config.doors, openings);
    this.#guard = new GuardWatch({ ...this.#deps, grants: this.#engine.grants });
    await this.#rotation.advance();
    this.#onTick();
    this.#tick = setInterval(() => this.#onTick(), TICK_MS);
    this.#scheduleClose();
    await this.#capture.start();
  }

  /** Closes every grant, leaves the guard in place, and lets go of everything. */
  async stop(): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#tick);
    clearTimeout(this.#closeTimer);
    await this.#capture.stop();
    this.#admissions.closeNow(this.#engine.grants.all);
    await this.#admissions.drain();
    await this.#admissions.retryUnwritten();
    await this.#deps.store.close();
  }

  /** One packet from a capture child. Synchronous, total, and without I/O: effects are only queued. */
  readonly arrive = (atMs: number, source: AddressKey, destination: AddressKey, pair: Pair, flags: number): void => {
    const { clock, isOwnAddress, ipv4Only } = this.#deps;
    if (this.#stopping || (ipv4Only === true && !isIpv4(source))) return;
    this.#arrivals += 1;
    const effects = this.#engine.arrive(atMs, source, destination, pair, flags, isOwnAddress(destination), clock.now());
    for (const effect of effects) this.#apply(effect);
  };

  /** The unspent lines of a door with written-down sequences, in the order of use. */
  setLines(door: string, lines: readonly ListedLine[]): void {
    this.#engine.setLines(door, lines, this.#deps.clock.now());
  }

  /** Takes in enrolled, changed and revoked clients without a restart. @throws KnockError as reading the files does */
  async reloadClients(): Promise<{ readonly added: number; readonly removed: number }> {
    const wanted = await this.#deps.readEnrolments();
    // Counters may have moved since the start, and a secret may come back that was here before.
    this.#stored = await this.#deps.store.load();
    const same = (a: Enrolment) => (b: Enrolment) => a.door === b.door && a.client === b.client && a.keyId === b.keyId;
    const present = this.#engine.enrolments().map(({ enrolment }) => enrolment);
    const removed = present.filter((enrolment) => !wanted.some(same(enrolment)));
    const added = wanted.filter((enrolment) => !present.some(same(enrolment)));
    for (const { door, client } of removed) {
      this.#engine.revoke(door, client);
      this.#admissions.closeNow(
        this.#engine.grants.all.filter((grant) => grant.door === door && grant.client === client),
      );
      this.#deps.log.info('revoked', { door, client });
    }
    this.#adjustBudgets(wanted);
    for (const enrolment of added) {
      this.#enrol(enrolment);
      this.#deps.log.info('enrolled', { door: enrolment.door, client: enrolment.client });
    }
    void this.#rotation.advance();
    return { added: added.length, removed: removed.length };
  }

  /** The administrator says that the clock, which stands before times already seen, is right. */
  async acceptClock(): Promise<void> {
    await this.#clockWatch.accept(this.#deps.clock.now().wallMs);
  }

  status(): Status {
    const { version, config, clock } = this.#deps;
    return describeStatus(
      this.#engine,
      {
        version,
        server: config.serverId,
        startedAt: this.#startedAt,
        guardStands: this.#guard?.stands ?? false,
        interfaces: this.#capture.status(),
        doors: config.doors.map(({ name }) => name),
        counters: {
          packets: this.#arrivals,
          opened: this.#admissions.opened,
          refused: this.#refused,
          failed: this.#admissions.failed,
          unwrittenSpends: this.#admissions.unwrittenSpends,
        },
      },
      clock.now(),
    );
  }

  #apply(effect: Effect): void {
    switch (effect.kind) {
      case 'admit':
        this.#admit(effect);
        break;
      case 'refuse':
        this.#refuse(effect);
        break;
      case 'stage':
        this.#sayStage(effect);
        break;
    }
  }

  #admit(admission: Admission): void {
    const { door, client, source } = admission;
    if (!this.#admissions.admit(admission)) this.#refuse({ kind: 'refuse', door, client, source, reason: 'busy' });
    // Counters further ahead have become acceptable with this one: they must be live before the next knock.
    void this.#rotation.advance();
  }

  /** Anybody can cause these at will: so many a minute, then their number. */
  #sayStage({ door, source, stage }: StageReached): void {
    if (!this.#stages.allow(`stage ${stage} ${door}`, this.#deps.clock.now().monoMs)) return;
    this.#words.stage(door, source, stage);
  }

  #refuse({ door, client, source, reason }: Refusal): void {
    this.#refused += 1;
    if (!this.#limit.allow(`${reason} ${door}`, this.#deps.clock.now().monoMs)) return;
    this.#deps.log.warn(`refused: ${reason}`, { door, client, source: formatAddress(source) });
  }

  #onTick(): void {
    const { clock, log } = this.#deps;
    const now = clock.now();
    const { monoMs } = now;
    this.#clockWatch.onTick(now);
    void this.#rotation.advance();
    this.#admissions.closeDue();
    for (const { key, suppressed } of this.#limit.drain(monoMs))
      log.warn('more refusals', { kind: key, lines: suppressed });
    for (const { key, suppressed } of this.#stages.drain(monoMs))
      log.info('more knocks', { kind: key, lines: suppressed });
    this.#guard?.onTick();
    if (this.#admissions.unwrittenSpends > 0 && monoMs >= this.#nextSpendRetryMs) {
      this.#nextSpendRetryMs = monoMs + 5 * TICK_MS;
      void this.#admissions.retryUnwritten();
    }
  }

  #enrol(enrolment: Enrolment): void {
    const isSame = (owner: FactorOwner) =>
      owner.door === enrolment.door && owner.client === enrolment.client && owner.keyId === enrolment.keyId;
    this.#engine.enrol(enrolment, this.#stored.factors.find(isSame) ?? UNUSED);
  }

  #adjustBudgets(enrolments: readonly Enrolment[]): void {
    for (const door of this.#deps.config.doors) {
      if (door.kind !== 'derived') continue;
      const policy = this.#derivedPolicyOf(door, countOf(enrolments, door.name));
      if (policy.maxStrays !== this.#engine.door(door.name)?.maxStrays) this.#engine.setPolicy(policy);
    }
  }

  #policyOf(door: ConfiguredDoor, clients: number): Door {
    if (door.kind === 'derived') return this.#derivedPolicyOf(door, clients);
    return { ...door.policy, maxStrays: door.maxStraysLimit ?? MAX_STRAYS };
  }

  /** Counts are rounded up to a power of two: a client more or less seldom changes the budget, and so seldom voids a knock. */
  #derivedPolicyOf(door: DerivedDoor, clients: number): DoorPolicy {
    const rounded = clients === 0 ? 1 : 2 ** Math.ceil(Math.log2(clients));
    return { ...door.policy, maxStrays: this.#deps.maxStraysOf(door, rounded) };
  }

  #scheduleClose(): void {
    clearTimeout(this.#closeTimer);
    const next = this.#engine.grants.nextEndMs;
    if (next === undefined || this.#stopping) return;
    const pauseMs = Math.min(Math.max(next - this.#deps.clock.now().monoMs, 1), 60_000);
    this.#closeTimer = setTimeout(() => {
      this.#admissions.closeDue();
      this.#scheduleClose();
    }, pauseMs);
  }

  #logCapture(status: CaptureStatus): void {
    const fields = { interface: status.interface, reason: status.reason, privileges: status.privileges };
    if (status.state === 'listening') this.#deps.log.info('listening', fields);
    else if (status.state === 'deaf') this.#deps.log.error('deaf', fields);
  }
}

function countOf(enrolments: readonly Enrolment[], door: string): number {
  return enrolments.filter((enrolment) => enrolment.door === door).length;
}
