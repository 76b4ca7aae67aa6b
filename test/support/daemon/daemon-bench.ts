/**
 * A daemon with fake edges: a memory store that can fail, a firewall that records its calls, a capture that is a function
 * call, and a clock that the test moves.
 */

import type { CaptureStatus } from '../../../server/capture/capture.ts';
import type { ConfiguredDoor, ServerConfig } from '../../../server/config/config.ts';
import { type DoorPolicy, type Enrolment, TCP_SYN } from '../../../server/core/door.ts';
import { Daemon } from '../../../server/daemon/daemon.ts';
import type { ServiceEdges } from '../../../server/demand/service-deps.ts';
import type { ActionDoor, Firewall, Opening, Place } from '../../../server/firewall/firewall.ts';
import { formatLine, type LogFields } from '../../../server/log/log.ts';
import type { LineStriker } from '../../../server/one-time/line-striker.ts';
import { MemoryStore } from '../../../server/store/memory-store.ts';
import type { Store } from '../../../server/store/store.ts';
import type { AddressKey } from '../../../shared/address.ts';
import { parsePortRanges } from '../../../shared/allowed-ports.ts';
import { KnockError } from '../../../shared/errors.ts';
import { isUdp, type Pair } from '../../../shared/knock.ts';
import { address, doorPolicy, pairsFor, SERVER } from '../core/doors.ts';

export const HERE = address('203.0.113.1');

export class FakeFirewall implements Firewall {
  readonly events: string[];
  refuseOpen = false;
  refuseClose = 0;
  stands = true;
  /** The result of `usedUp`. */
  used: readonly Place[] = [];
  /** Openings wait for this promise. */
  gate: Promise<void> = Promise.resolve();
  prepared: readonly Opening[] = [];

  constructor(events: string[]) {
    this.events = events;
  }

  openingsPersist(): boolean {
    return true;
  }

  async prepare(_doors: readonly ActionDoor[], openings: readonly Opening[]): Promise<void> {
    this.events.push('prepare');
    this.prepared = openings;
    this.stands = true;
  }

  async open(door: ActionDoor, _source: AddressKey): Promise<void> {
    await this.gate;
    if (this.refuseOpen) throw new KnockError('FIREWALL', 'no room');
    this.events.push(`open ${door.name}`);
  }

  async close(door: ActionDoor): Promise<void> {
    if (this.refuseClose > 0) {
      this.refuseClose -= 1;
      throw new KnockError('COMMAND', 'exit status 1');
    }
    this.events.push(`close ${door.name}`);
  }

  async list(): Promise<readonly Opening[]> {
    return [];
  }

  async usedUp(): Promise<readonly Place[]> {
    return this.used;
  }

  async guardStands(): Promise<boolean> {
    return this.stands;
  }

  async release(): Promise<void> {}
}

/** Records each call, and fails those it is told to fail. */
export class WatchedStore extends MemoryStore {
  readonly events: string[];
  failing = new Set<string>();

  constructor(events: string[]) {
    super();
    this.events = events;
  }

  override async spend(...args: Parameters<Store['spend']>): Promise<void> {
    this.#record('spend');
    await super.spend(...args);
  }

  override async confirmOpen(...args: Parameters<Store['confirmOpen']>): Promise<void> {
    this.#record('confirm');
    await super.confirmOpen(...args);
  }

  override async closeGrant(...args: Parameters<Store['closeGrant']>): Promise<void> {
    this.#record('forget');
    await super.closeGrant(...args);
  }

  #record(verb: string): void {
    this.events.push(this.failing.has(verb) ? `${verb} failed` : verb);
    if (this.failing.has(verb)) throw new KnockError('STORE', 'no space left on device', { hint: 'make room' });
  }
}

export interface BenchOptions {
  /** Doors besides the door of the policy. */
  readonly doors?: readonly ConfiguredDoor[];
  readonly lines?: LineStriker;
  readonly ipv4Only?: boolean;
  /** Whether the door of the policy opens once. */
  readonly once?: boolean;
  readonly nameOf?: (source: AddressKey) => Promise<string | undefined>;
  readonly services?: ServiceEdges;
}

export class DaemonBench {
  readonly events: string[] = [];
  readonly lines: string[] = [];
  readonly firewall = new FakeFirewall(this.events);
  readonly policy: DoorPolicy;
  readonly daemon: Daemon;
  readonly store: WatchedStore;
  enrolments: readonly Enrolment[];
  wallMs = 30_000_000 + 12_000;
  monoMs = 1_000;

  constructor(
    enrolments: readonly Enrolment[],
    changes: Partial<DoorPolicy> = {},
    store?: WatchedStore,
    more: BenchOptions = {},
  ) {
    this.enrolments = enrolments;
    this.policy = doorPolicy(changes);
    this.store = store ?? new WatchedStore(this.events);
    const { maxStrays, ...policy } = this.policy;
    const config: ServerConfig = {
      file: 'knock-otp.conf',
      serverId: SERVER,
      nflogGroup: 7077,
      interfaces: ['eth0'],
      stateDir: '/nowhere',
      clientsDir: '/nowhere',
      useSyslog: false,
      throttle: { failures: 5, timeMs: 60_000 },
      logFormat: 'text',
      doors: [
        {
          kind: 'derived',
          name: policy.name,
          policy,
          range: parsePortRanges('1024-65535'),
          exclude: [],
          action: { kind: 'nftables', services: [{ protocol: 'tcp', port: 22 }], once: more.once === true },
          allowLowEntropy: false,
        },
        ...(more.doors ?? []),
      ],
    };
    const log = (level: string) => (message: string, fields?: LogFields) => {
      this.lines.push(`${level} ${formatLine(message, fields)}`);
    };
    const listening: CaptureStatus = {
      interface: 'eth0',
      state: 'listening',
      since: 0,
      received: 0,
      dropped: 0,
      restarts: 0,
    };
    this.daemon = new Daemon({
      version: '0',
      config,
      enrolments,
      store: this.store,
      firewall: this.firewall,
      clock: { now: () => ({ wallMs: this.wallMs, monoMs: this.monoMs }) },
      log: {
        debug: log('debug'),
        info: log('info'),
        warn: log('warn'),
        error: log('error'),
        knockd: (line) => log('knockd')(line),
      },
      lines: more.lines ?? { strike: async () => undefined },
      ...(more.ipv4Only === undefined ? {} : { ipv4Only: more.ipv4Only }),
      ...(more.nameOf === undefined ? {} : { nameOf: more.nameOf }),
      ...(more.services === undefined ? {} : { services: more.services }),
      isOwnAddress: (key) => key === HERE,
      maxStraysOf: () => maxStrays,
      readEnrolments: async () => this.enrolments,
      createCapture: () => ({
        start: async () => {},
        followLivePairs: async () => {},
        method: () => ({ kind: 'pcap', sees: 'all' }),
        status: () => [listening],
        stop: async () => {},
      }),
    });
  }

  knock(who: Enrolment, factor: number, source: AddressKey): void {
    for (const pair of pairsFor(this.policy, who, factor)) this.packet(pair, source);
  }

  packet(pair: Pair, source: AddressKey, flags = isUdp(pair) ? 0 : TCP_SYN): void {
    this.pass(1);
    this.daemon.takeArrival(this.monoMs, source, HERE, pair, flags);
  }

  pass(ms: number): void {
    this.wallMs += ms;
    this.monoMs += ms;
  }

  /** Lets all pending promises settle. The fake edges settle at once, so this does not depend on time. */
  async settled(): Promise<void> {
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }
}
