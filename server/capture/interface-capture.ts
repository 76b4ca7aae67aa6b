/**
 * The capture state of one interface: starts and replaces its child, with backoff, and reports each change of state once.
 * It has no process and no clock of its own: the caller ticks it, and the child's events drive it.
 */

import type { ArrivalListener, CaptureScope, CaptureState, CaptureStatus } from './capture.ts';
import { describePrivileges } from './child/privileges.ts';
import type { Child, ChildEvents, ChildLauncher } from './child-process.ts';
import type { LinkReader } from './link-state.ts';
import type { Bound, Heartbeat, Opened } from './records.ts';

/** A child silent for longer hangs: it sends a heartbeat each second, under a flood too. A start takes a second at most. */
export const SILENCE_MS = 5000;
/** Backoff after a failure: doubled up to the maximum, reset when the link comes back or the child ran long enough. */
export const FIRST_BACKOFF_MS = 250;
export const MAX_BACKOFF_MS = 10_000;
/** A child that captured for this long resets the backoff. */
export const LASTED_MS = 10_000;

export interface InterfaceEdges {
  readonly readLink: LinkReader;
  readonly launch: ChildLauncher;
  /** CLOCK_MONOTONIC, milliseconds. */
  readonly monotonicMs: () => number;
  /** Unix milliseconds. */
  readonly wallMs: () => number;
}

/** An arrival with the tag of the NFLOG rule that chose the packet, 0 without such a rule. */
export type TaggedArrivalListener = (...arrival: [...Parameters<ArrivalListener>, tag: number]) => void;

export interface InterfaceOptions {
  readonly name: string;
  readonly scope: CaptureScope;
  readonly onArrival: TaggedArrivalListener;
  /** Packets were lost between earlier and later arrivals; 0 when their number is unknown. */
  readonly onLost: (packets: number) => void;
  /** Results of orders, from a child with listening sockets. */
  readonly onBound?: (bound: Bound) => void;
  readonly onState: (status: CaptureStatus) => void;
}

export class InterfaceCapture {
  readonly #options: InterfaceOptions;
  readonly #edges: InterfaceEdges;
  #child: Child | undefined;
  #index = 0;
  #state: CaptureState = 'starting';
  #since: number;
  #reason: string | undefined;
  #privileges: string | undefined;
  #countsLosses = true;
  #launches = 0;
  #linkWasUsable = false;
  #nextLaunchAt = 0;
  #backoffMs = 0;
  #heardAt = 0;
  #listeningSince = 0;
  #silent = false;
  #lastArrivalMs = 0;
  /** Totals of earlier children. */
  #earlier = { received: 0, dropped: 0 };
  #current = { received: 0, dropped: 0 };

  constructor(options: InterfaceOptions, edges: InterfaceEdges) {
    this.#options = options;
    this.#edges = edges;
    this.#since = edges.wallMs();
  }

  status(): CaptureStatus {
    return {
      interface: this.#options.name,
      state: this.#state,
      since: this.#since,
      ...(this.#reason === undefined ? {} : { reason: this.#reason }),
      received: this.#earlier.received + this.#current.received,
      dropped: this.#earlier.dropped + this.#current.dropped,
      restarts: Math.max(0, this.#launches - 1),
      ...(this.#privileges === undefined ? {} : { privileges: this.#privileges }),
      ...(this.#countsLosses ? {} : { lossesUnseen: true }),
    };
  }

  /** Checks the link and the child. Call it a few times a second. */
  tick(): void {
    const now = this.#edges.monotonicMs();
    const link = this.#edges.readLink(this.#options.name);
    if (!link.usable) {
      this.#linkWasUsable = false;
      this.#drop();
      this.#enter('deaf', link.reason);
      return;
    }
    if (!this.#linkWasUsable) {
      this.#linkWasUsable = true;
      this.#backoffMs = 0;
      this.#nextLaunchAt = now;
    }
    if (this.#child !== undefined) this.#watch(now, link.index);
    if (this.#child === undefined && now >= this.#nextLaunchAt) this.#launch(now, link.index);
  }

  async stop(): Promise<void> {
    const child = this.#child;
    this.#drop();
    this.#nextLaunchAt = Number.POSITIVE_INFINITY;
    await child?.kill();
  }

  #watch(now: number, index: number): void {
    if (index !== this.#index) {
      this.#drop();
      this.#backoffMs = 0;
      this.#nextLaunchAt = now;
      this.#enter('deaf', 'the interface was deleted and created again');
      return;
    }
    if (now - this.#heardAt <= SILENCE_MS) this.#silent = false;
    // Two silent ticks in a row: after a pause of the daemon, records wait in the pipe and are read before the second tick.
    else if (this.#silent) {
      this.#drop();
      this.#postpone(now);
      this.#enter('deaf', 'the capture process does not answer');
    } else this.#silent = true;
  }

  #launch(now: number, index: number): void {
    this.#index = index;
    this.#heardAt = now;
    this.#silent = false;
    this.#launches += 1;
    const events: ChildEvents = {
      packet: (atMs, source, destination, pair, flags, tag) => {
        const arrival = this.#arrival(atMs);
        this.#options.onArrival(arrival, source, destination, pair, flags, tag);
      },
      heartbeat: (heartbeat) => this.#heartbeat(heartbeat),
      opened: (opened) => this.#opened(opened),
      lost: ({ packets }) => {
        this.#heardAt = this.#edges.monotonicMs();
        this.#options.onLost(packets);
      },
      bound: (bound) => {
        this.#heardAt = this.#edges.monotonicMs();
        this.#options.onBound?.(bound);
      },
      ended: (reason) => this.#ended(reason),
    };
    this.#child = this.#edges.launch(this.#options.name, this.#options.scope, events);
  }

  /**
   * Clamps a time stamp. Daemon and child share one clock, so no packet is from the future or older than the one before
   * it. A compromised child could otherwise stretch or shrink timeouts.
   */
  #arrival(atMs: number): number {
    const now = this.#edges.monotonicMs();
    // Packets prove that the child lives: when the daemon is too slow, the pipe is full and has no room for heartbeats.
    this.#heardAt = now;
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, Math.min(atMs, now));
    return this.#lastArrivalMs;
  }

  #heartbeat(heartbeat: Heartbeat): void {
    this.#heardAt = this.#edges.monotonicMs();
    this.#current = { received: heartbeat.received, dropped: heartbeat.dropped };
  }

  #opened(opened: Opened): void {
    this.#heardAt = this.#edges.monotonicMs();
    this.#listeningSince = this.#heardAt;
    this.#privileges = describePrivileges(opened);
    this.#countsLosses = opened.countsLosses;
    // Packets before this moment were not captured.
    this.#options.onLost(0);
    this.#enter('listening', undefined);
  }

  /** The link's reason comes before the child's, because the administrator can repair the link. */
  #ended(reason: string): void {
    const now = this.#edges.monotonicMs();
    const ranLong = this.#state === 'listening' && now - this.#listeningSince >= LASTED_MS;
    this.#forgetChild();
    const link = this.#edges.readLink(this.#options.name);
    if (!link.usable) this.#linkWasUsable = false;
    if (ranLong) this.#backoffMs = 0;
    this.#postpone(now);
    this.#enter('deaf', link.usable ? reason : link.reason);
  }

  #postpone(now: number): void {
    this.#nextLaunchAt = now + this.#backoffMs;
    this.#backoffMs = Math.min(MAX_BACKOFF_MS, Math.max(FIRST_BACKOFF_MS, this.#backoffMs * 2));
  }

  #drop(): void {
    void this.#child?.kill();
    this.#forgetChild();
  }

  #forgetChild(): void {
    this.#child = undefined;
    this.#earlier = {
      received: this.#earlier.received + this.#current.received,
      dropped: this.#earlier.dropped + this.#current.dropped,
    };
    this.#current = { received: 0, dropped: 0 };
  }

  #enter(state: CaptureState, reason: string | undefined): void {
    const same = this.#state === state;
    this.#reason = reason;
    if (same) return;
    this.#state = state;
    this.#since = this.#edges.wallMs();
    this.#options.onState(this.status());
  }
}
