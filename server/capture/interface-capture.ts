/**
 * One interface: when a child runs, what state that is, and when the next try is. Knows no process and no clock of its
 * own; it is ticked, and told by its child. Every change of state is reported once.
 */

import type { ArrivalListener, CaptureScope, CaptureState, CaptureStatus } from './capture.ts';
import { describePrivileges } from './child/privileges.ts';
import type { Child, ChildEvents, ChildLauncher } from './child-process.ts';
import type { LinkReader } from './link-state.ts';
import type { Bound, Heartbeat, Opened } from './records.ts';

/** A child that says nothing for so long hangs: it beats every second even under a flood. Starting takes a second at worst. */
export const SILENCE_MS = 5000;
/** First wait after a failure; doubled up to the largest, and forgotten when the link comes back or the child lasted. */
export const FIRST_BACKOFF_MS = 250;
export const MAX_BACKOFF_MS = 10_000;
/** A child that listened for so long was no failure to start. */
export const LASTED_MS = 10_000;

export interface InterfaceEdges {
  readonly readLink: LinkReader;
  readonly launch: ChildLauncher;
  /** CLOCK_MONOTONIC, milliseconds. */
  readonly monotonicMs: () => number;
  /** Unix milliseconds. */
  readonly wallMs: () => number;
}

/** With what the NFLOG rule said that chose the packet, 0 where there is none. */
export type TaggedArrivalListener = (...arrival: [...Parameters<ArrivalListener>, tag: number]) => void;

export interface InterfaceOptions {
  readonly name: string;
  readonly scope: CaptureScope;
  readonly onArrival: TaggedArrivalListener;
  /** Packets are missing between those told before and those told after; 0 where nobody knows how many. */
  readonly onLost: (packets: number) => void;
  /** Of a child that listens. */
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
  #lastWordAt = 0;
  #listeningSince = 0;
  #silent = false;
  #lastArrivalMs = 0;
  /** Of the children before this one. */
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

  /** Looks at the link and at the child. Call a few times a second. */
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
    if (now - this.#lastWordAt <= SILENCE_MS) this.#silent = false;
    // Twice in a row: when it was the daemon that stood still, the child's words are waiting to be read before the next tick.
    else if (this.#silent) {
      this.#drop();
      this.#postpone(now);
      this.#enter('deaf', 'the capture process does not answer');
    } else this.#silent = true;
  }

  #launch(now: number, index: number): void {
    this.#index = index;
    this.#lastWordAt = now;
    this.#silent = false;
    this.#launches += 1;
    const events: ChildEvents = {
      packet: (atMs, source, destination, pair, flags, tag) => {
        const arrival = this.#arrival(atMs);
        this.#options.onArrival(arrival, source, destination, pair, flags, tag);
      },
      heartbeat: (heartbeat) => this.#hear(heartbeat),
      opened: (opened) => this.#opened(opened),
      lost: ({ packets }) => {
        this.#lastWordAt = this.#edges.monotonicMs();
        this.#options.onLost(packets);
      },
      bound: (bound) => {
        this.#lastWordAt = this.#edges.monotonicMs();
        this.#options.onBound?.(bound);
      },
      ended: (reason) => this.#ended(reason),
    };
    this.#child = this.#edges.launch(this.#options.name, this.#options.scope, events);
  }

  /**
   * The child's clock is ours, so a packet is never from the future and never older than the one before it. A child that
   * says otherwise is not to be believed: it could stretch or shrink timeouts.
   */
  #arrival(atMs: number): number {
    const now = this.#edges.monotonicMs();
    // Packets are signs of life: where the daemon cannot keep up, the pipe is full and heartbeats find no room in it.
    this.#lastWordAt = now;
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, Math.min(atMs, now));
    return this.#lastArrivalMs;
  }

  #hear(heartbeat: Heartbeat): void {
    this.#lastWordAt = this.#edges.monotonicMs();
    this.#current = { received: heartbeat.received, dropped: heartbeat.dropped };
  }

  #opened(opened: Opened): void {
    this.#lastWordAt = this.#edges.monotonicMs();
    this.#listeningSince = this.#lastWordAt;
    this.#privileges = describePrivileges(opened);
    this.#countsLosses = opened.countsLosses;
    // What came before nobody heard.
    this.#options.onLost(0);
    this.#enter('listening', undefined);
  }

  /** Told by the child's end. The link's word goes before the child's: it says what the administrator can mend. */
  #ended(reason: string): void {
    const now = this.#edges.monotonicMs();
    const lasted = this.#state === 'listening' && now - this.#listeningSince >= LASTED_MS;
    this.#forgetChild();
    const link = this.#edges.readLink(this.#options.name);
    if (!link.usable) this.#linkWasUsable = false;
    if (lasted) this.#backoffMs = 0;
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
