/**
 * The Capture by nftables: a table of rules sends chosen packets to an NFLOG group, which one child reads. Packets of the
 * group do not name their interface. So an interface is deaf when its link, the child or the table has a problem.
 * `kernel-watch.ts` maintains the table.
 */
import { KnockError } from '../../../shared/errors.ts';
import { monotonicMs } from '../../clock/monotonic.ts';
import type { LivePairs } from '../../core/matching/live-pairs.ts';
import { openLibnftables } from '../../nft/libnftables.ts';
import type { NftRunner } from '../../nft/nft-runner.ts';
import type { Capture, CaptureMethod, CaptureOptions, CaptureState, CaptureStatus } from '../capture.ts';
import { type ChildLauncher, launchChild } from '../child-process.ts';
import { InterfaceCapture } from '../interface-capture.ts';
import { type LinkReader, linkReader } from '../link-state.ts';
import { LookSchedule } from '../look-schedule.ts';
import { KernelWatch } from './kernel-watch.ts';
import { MODE_REASONS } from './watch-plan.ts';
import type { WatchLayout } from './watch-script.ts';

/** Interval of checks of the child while it starts. */
const OPENING_MS = 25;
/** Interval of checks of the kernel's table. */
const TABLE_MS = 1_000;
/** Time limit for opening the group: a killed daemon's child may hold it for a moment. */
const OPEN_MS = 2_000;
const OPEN_RESTARTS = 2;
/** As many sources as the matcher tracks. */
const SUSPECTS = 65_536;
/** Added to the longest sequence: twice the longest suspension after which the child still trusts its time stamps. */
const SUSPECT_MARGIN_MS = 10_000;

export interface KernelCaptureOptions extends CaptureOptions {
  readonly live: LivePairs;
  /** Number of the NFLOG group. */
  readonly group: number;
  readonly ownAddresses: boolean;
  readonly targets: WatchLayout['targets'];
  /** Timeout of the longest sequence, in milliseconds. */
  readonly longestTimeoutMs: number;
}

export interface KernelEdges {
  readonly readLink?: LinkReader;
  readonly launch?: ChildLauncher;
  /** Maximum of suspects of each address family. */
  readonly suspects?: number;
}

interface InterfaceState {
  readonly name: string;
  state: CaptureState;
  since: number;
  reason: string | undefined;
}

export class KernelCapture implements Capture {
  readonly #options: KernelCaptureOptions;
  readonly #edges: KernelEdges;
  readonly #states: readonly InterfaceState[];
  #runners: readonly NftRunner[] = [];
  #group: InterfaceCapture | undefined;
  #watch: KernelWatch | undefined;
  #readLink: LinkReader | undefined;
  readonly #checks = new LookSchedule(() => this.#check());
  #nextTableMs = 0;
  #started = false;

  /** Tests pass edges; the defaults are libc, child processes and nftables. */
  constructor(options: KernelCaptureOptions, edges: KernelEdges = {}) {
    this.#options = options;
    this.#edges = edges;
    const since = Date.now();
    this.#states = [...new Set(options.interfaces)].map((name) => ({
      name,
      state: 'starting',
      since,
      reason: undefined,
    }));
  }

  /** @throws KnockError CAPTURE when this machine cannot do it; all changes are undone */
  async start(): Promise<void> {
    try {
      this.#readLink = this.#edges.readLink ?? (await linkReader());
      this.#refusePorts(this.#readLink);
      await this.#openGroup();
      await this.#openWatch();
    } catch (error) {
      await this.stop();
      throw error;
    }
    this.#started = true;
    this.#refresh();
    this.#checks.start();
  }

  async followLivePairs(): Promise<void> {
    await this.#watch?.update();
  }

  method(): CaptureMethod {
    const reason = MODE_REASONS[this.#watch?.mode ?? 'filtered'];
    return reason === undefined ? { kind: 'kernel', sees: 'live' } : { kind: 'kernel', sees: 'all', reason };
  }

  status(): readonly CaptureStatus[] {
    const child = this.#group?.status();
    return this.#states.map(({ name, state, since, reason }) => ({
      interface: name,
      state,
      since,
      ...(reason === undefined ? {} : { reason }),
      received: child?.received ?? 0,
      dropped: child?.dropped ?? 0,
      restarts: child?.restarts ?? 0,
      ...(child?.privileges === undefined ? {} : { privileges: child.privileges }),
    }));
  }

  async stop(): Promise<void> {
    this.#started = false;
    this.#checks.stop();
    await this.#watch?.stop();
    await this.#group?.stop();
    for (const runner of this.#runners) runner.close();
    this.#runners = [];
  }

  /** A port of a bridge or bond hands its packets over before any usable hook. */
  #refusePorts(readLink: LinkReader): void {
    for (const { name } of this.#states) {
      const link = readLink(name);
      if (!link.usable || link.master === undefined) continue;
      throw new KnockError('CAPTURE', portOf(name, link.master), { hint: `set interface to ${link.master}` });
    }
  }

  async #openGroup(): Promise<void> {
    const { udp, tcp, group, onArrival, onLost } = this.#options;
    const clock = { monotonicMs, wallMs: Date.now };
    const child = new InterfaceCapture(
      {
        name: `nflog:${group}`,
        scope: { udp, tcp },
        onArrival: (atMs, source, destination, pair, flags, tag) => {
          if (tag === this.#watch?.tag) onArrival(atMs, source, destination, pair, flags);
        },
        onLost,
        onState: () => this.#refreshSoon(),
      },
      { readLink: () => ({ usable: true, index: 0 }), launch: this.#edges.launch ?? launchChild, ...clock },
    );
    this.#group = child;
    const until = monotonicMs() + OPEN_MS;
    for (;;) {
      child.tick();
      const { state, reason, restarts } = child.status();
      if (state === 'listening') return;
      // A busy machine may need long for a start. Failures are retried too, but not forever.
      if (state === 'deaf' && restarts >= OPEN_RESTARTS && monotonicMs() > until)
        throw new KnockError('CAPTURE', reason ?? 'it receives nothing');
      await new Promise((resolve) => setTimeout(resolve, OPENING_MS));
    }
  }

  async #openWatch(): Promise<void> {
    const { live, longestTimeoutMs, onLost, udp, tcp, interfaces, ownAddresses, targets, group } = this.#options;
    // Not through the nft program: every user can read its arguments, and these scripts contain the live ports.
    const [changing, listing] = [await openLibnftables(), await openLibnftables()];
    this.#runners = [changing, listing].filter((runner) => runner !== undefined);
    if (changing === undefined || listing === undefined) {
      throw new KnockError('CAPTURE', 'libnftables or koffi is not installed');
    }
    const suspects = this.#edges.suspects ?? SUSPECTS;
    const suspectSeconds = Math.ceil((longestTimeoutMs + SUSPECT_MARGIN_MS) / 1000);
    const watch = new KernelWatch({
      layout: { udp, tcp, interfaces, ownAddresses, targets, group, suspects, suspectSeconds },
      live,
      changing,
      listing,
      monotonicMs,
      onVoid: () => onLost(0),
      onChange: () => this.#refreshSoon(),
    });
    this.#watch = watch;
    await watch.update();
    if (watch.problem !== undefined) throw new KnockError('CAPTURE', watch.problem);
  }

  /** Checks everything; returns whether all interfaces are listening. */
  #check(): boolean {
    this.#group?.tick();
    const now = monotonicMs();
    if (now >= this.#nextTableMs) {
      this.#nextTableMs = now + TABLE_MS - TABLE_MS / 10;
      this.#watch?.tick();
    }
    this.#refresh();
    return this.#states.every(({ state }) => state === 'listening');
  }

  #refreshSoon(): void {
    this.#refresh();
    this.#checks.checkSoon();
  }

  #refresh(): void {
    const [group, watch, readLink] = [this.#group, this.#watch, this.#readLink];
    if (!this.#started || group === undefined || watch === undefined || readLink === undefined) return;
    for (const one of this.#states) this.#setState(one, this.#problemOf(one.name, readLink, group, watch));
  }

  #problemOf(name: string, readLink: LinkReader, group: InterfaceCapture, watch: KernelWatch): string | undefined {
    const link = readLink(name);
    // The link's problem comes first, because the administrator can repair it.
    if (!link.usable) return link.reason;
    if (link.master !== undefined) return portOf(name, link.master);
    const { state, reason } = group.status();
    if (state !== 'listening') return reason ?? 'the capture process is starting';
    return watch.problem;
  }

  #setState(one: InterfaceState, problem: string | undefined): void {
    const state = problem === undefined ? 'listening' : 'deaf';
    one.reason = problem;
    if (one.state === state) return;
    one.state = state;
    one.since = Date.now();
    const status = this.status().find((candidate) => candidate.interface === one.name);
    if (status !== undefined) this.#options.onState(status);
  }
}

function portOf(name: string, master: string): string {
  return `${name} is a port of ${master}, which gets its packets`;
}
