/**
 * The Capture that lets the kernel choose: one child that reads an NFLOG group, and a table that says what goes there.
 * Knows what makes an interface deaf, since packets of the group do not say where they came from: the interface itself,
 * the child, or the table. The table is kernel-watch's, the child interface-capture's.
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

/** Between looks at the child while it starts. */
const OPENING_MS = 25;
/** Between looks at the kernel's table. */
const TABLE_MS = 1_000;
/** What the group may take to open: an earlier daemon that was killed may hold it for a moment. */
const OPEN_MS = 2_000;
const OPEN_RESTARTS = 2;
/** As many as the matcher remembers. */
const SUSPECTS = 65_536;
/** Beyond the longest sequence: as long as the child may stand still and still believe its clock, and that again. */
const SUSPECT_MARGIN_MS = 10_000;

export interface KernelCaptureOptions extends CaptureOptions {
  readonly live: LivePairs;
  /** Of NFLOG. */
  readonly group: number;
  readonly ownAddresses: boolean;
  readonly targets: WatchLayout['targets'];
  /** Milliseconds that the longest sequence may take. */
  readonly longestTimeoutMs: number;
}

export interface KernelEdges {
  readonly readLink?: LinkReader;
  readonly launch?: ChildLauncher;
  /** Suspects of each family, at most. */
  readonly suspects?: number;
}

interface Heard {
  readonly name: string;
  state: CaptureState;
  since: number;
  reason: string | undefined;
}

export class KernelCapture implements Capture {
  readonly #options: KernelCaptureOptions;
  readonly #edges: KernelEdges;
  readonly #heard: readonly Heard[];
  #runners: readonly NftRunner[] = [];
  #group: InterfaceCapture | undefined;
  #watch: KernelWatch | undefined;
  #readLink: LinkReader | undefined;
  readonly #looks = new LookSchedule(() => this.#look());
  #nextTableMs = 0;
  #started = false;

  /** The edges are for tests; without them, libc, child processes and nftables. */
  constructor(options: KernelCaptureOptions, edges: KernelEdges = {}) {
    this.#options = options;
    this.#edges = edges;
    const since = Date.now();
    this.#heard = [...new Set(options.interfaces)].map((name) => ({
      name,
      state: 'starting',
      since,
      reason: undefined,
    }));
  }

  /** @throws KnockError CAPTURE when this machine cannot do it; everything is taken back then */
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
    this.#judgeAll();
    this.#looks.start();
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
    return this.#heard.map(({ name, state, since, reason }) => ({
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
    this.#looks.stop();
    await this.#watch?.stop();
    await this.#group?.stop();
    for (const runner of this.#runners) runner.close();
    this.#runners = [];
  }

  /** A port of a bridge or a bond gives its packets away before any hook that we could use. */
  #refusePorts(readLink: LinkReader): void {
    for (const { name } of this.#heard) {
      const link = readLink(name);
      if (!link.usable || link.master === undefined) continue;
      throw new KnockError('CAPTURE', portOf(name, link.master), { hint: 'name that one as the interface' });
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
        onState: () => this.#judgeSoon(),
      },
      { readLink: () => ({ usable: true, index: 0 }), launch: this.#edges.launch ?? launchChild, ...clock },
    );
    this.#group = child;
    const until = monotonicMs() + OPEN_MS;
    for (;;) {
      child.tick();
      const { state, reason, restarts } = child.status();
      if (state === 'listening') return;
      // Starting may take long on a busy machine, which is no refusal; that is tried again too, but not for ever.
      if (state === 'deaf' && restarts >= OPEN_RESTARTS && monotonicMs() > until)
        throw new KnockError('CAPTURE', reason ?? 'it hears nothing');
      await new Promise((resolve) => setTimeout(resolve, OPENING_MS));
    }
  }

  async #openWatch(): Promise<void> {
    const { live, longestTimeoutMs, onLost, udp, tcp, interfaces, ownAddresses, targets, group } = this.#options;
    // Not through the nft program: its arguments can be read by every user, and these scripts name the live ports.
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
      onChange: () => this.#judgeSoon(),
    });
    this.#watch = watch;
    await watch.update();
    if (watch.problem !== undefined) throw new KnockError('CAPTURE', watch.problem);
  }

  /** Whether all is heard. */
  #look(): boolean {
    this.#group?.tick();
    const now = monotonicMs();
    if (now >= this.#nextTableMs) {
      this.#nextTableMs = now + TABLE_MS - TABLE_MS / 10;
      this.#watch?.tick();
    }
    this.#judgeAll();
    return this.#heard.every(({ state }) => state === 'listening');
  }

  #judgeSoon(): void {
    this.#judgeAll();
    this.#looks.soon();
  }

  #judgeAll(): void {
    const [group, watch, readLink] = [this.#group, this.#watch, this.#readLink];
    if (!this.#started || group === undefined || watch === undefined || readLink === undefined) return;
    for (const one of this.#heard) this.#judge(one, this.#problemOf(one.name, readLink, group, watch));
  }

  #problemOf(name: string, readLink: LinkReader, group: InterfaceCapture, watch: KernelWatch): string | undefined {
    const link = readLink(name);
    // The link's word goes first: it says what the administrator can mend.
    if (!link.usable) return link.reason;
    if (link.master !== undefined) return portOf(name, link.master);
    const { state, reason } = group.status();
    if (state !== 'listening') return reason ?? 'the capture process starts';
    return watch.problem;
  }

  #judge(one: Heard, problem: string | undefined): void {
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
