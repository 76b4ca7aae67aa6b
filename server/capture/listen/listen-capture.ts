/**
 * The Capture without a packet in sight: ports listen, in a process of their own, and whoever connects to one, or sends it
 * a datagram, has knocked there. Needs no right and no library. Knows when which ports are ordered, and that what scanners
 * may see is on the disk before; which ports those are is cohorts' business, the sockets are listeners'.
 */
import { randomInt } from 'node:crypto';
import { type AddressKey, isIpv4 } from '../../../shared/address.ts';
import { monotonicMs } from '../../clock/monotonic.ts';
import type { LivePairs } from '../../core/matching/live-pairs.ts';
import { formatProblemOf } from '../../log/error-text.ts';
import type { Capture, CaptureMethod, CaptureOptions, CaptureState, CaptureStatus } from '../capture.ts';
import { launchProgram, type OrderedChild } from '../child-process.ts';
import { InterfaceCapture } from '../interface-capture.ts';
import type { Bound } from '../records.ts';
import { type ListenedDoor, type ListenPlan, NOTHING_SHOWN, planListening, type Shown } from './cohorts.ts';
import { formatOrder, type NumberedOrder, UNKNOWN } from './orders.ts';
import { ShownFile } from './shown-file.ts';

const LOOK_MS = 250;
const LOOKS_PER_PLAN = 4;
/** Ports that somebody else holds may be free again. */
const REORDER_MS = 6_000;
/** What an order may take, on a busy machine. */
const ANSWER_MS = 5_000;
const EVERYWHERE = 'any';
/** With fewer of its ports bound than this share, next to no sequence has all of its own. */
const ENOUGH = 0.5;

export interface ListenOptions {
  readonly live: LivePairs;
  readonly doors: readonly ListenedDoor[];
  readonly stateDir: string;
  /** An address of this host, of the family: where a datagram came to, as far as anybody knows. */
  readonly ownAddress: (family: 4 | 6) => AddressKey | undefined;
  /** Once, when ports could not be bound. */
  readonly onUnbound: (ports: Omit<Bound, 'atMs' | 'number'>) => void;
}

export class ListenCapture implements Capture {
  readonly #options: CaptureOptions & ListenOptions;
  readonly #file: ShownFile;
  readonly #process: InterfaceCapture;
  #child: OrderedChild | undefined;
  #shown: Shown = NOTHING_SHOWN;
  #order: NumberedOrder = { number: 1, tcp: [], udp: [] };
  #answer: Omit<Bound, 'atMs' | 'number'> | undefined;
  #orderedAtMs = 0;
  #answered: (() => void)[] = [];
  #saidUnbound = false;
  /** Why what is live cannot be shown. */
  #problem: string | undefined;
  #running: Promise<void> | undefined;
  #again = false;
  #started = false;
  #looks = 0;
  #timer: NodeJS.Timeout | undefined;
  #heard: { state: CaptureState; since: number; reason: string | undefined };

  constructor(options: CaptureOptions & ListenOptions) {
    this.#options = options;
    this.#file = new ShownFile(options.stateDir);
    this.#heard = { state: 'starting', since: Date.now(), reason: undefined };
    const { onArrival, onLost, ownAddress } = options;
    this.#process = new InterfaceCapture(
      {
        name: EVERYWHERE,
        scope: { udp: true, tcp: 'opening' },
        onArrival: (atMs, source, destination, pair, flags) => {
          const place = destination === UNKNOWN ? ownAddress(isIpv4(source) ? 4 : 6) : destination;
          if (place !== undefined) onArrival(atMs, source, place, pair, flags);
        },
        onLost,
        onBound: (bound) => this.#hear(bound),
        onState: () => this.#judge(),
      },
      {
        readLink: () => ({ usable: true, index: 0 }),
        launch: (_device, _scope, events) => {
          const child = launchProgram('listen', [], events);
          this.#child = child;
          this.#answer = undefined;
          this.#send();
          return child;
        },
        monotonicMs,
        wallMs: Date.now,
      },
    );
  }

  /** @throws KnockError STATE_REFUSED or STORE when it is unknown what scanners may have seen */
  async start(): Promise<void> {
    this.#shown = await this.#file.load();
    this.#process.tick();
    while (this.#process.status().state === 'starting') {
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS / 10));
      this.#process.tick();
    }
    this.#started = true;
    await this.followLivePairs();
    this.#judge();
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  followLivePairs(): Promise<void> {
    if (!this.#started) return Promise.resolve();
    this.#again = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  method(): CaptureMethod {
    const wanted = this.#order.tcp.length + this.#order.udp.length;
    return { kind: 'listen', sees: 'live', ports: { bound: this.#answer?.bound ?? 0, wanted } };
  }

  status(): readonly CaptureStatus[] {
    const { state, since, reason } = this.#heard;
    const { reason: _, ...process } = this.#process.status();
    return [{ ...process, state, since, ...(reason === undefined ? {} : { reason }) }];
  }

  async stop(): Promise<void> {
    this.#started = false;
    clearInterval(this.#timer);
    this.#release();
    await this.#running;
    await this.#process.stop();
  }

  #look(): void {
    this.#process.tick();
    this.#looks += 1;
    if (this.#looks % LOOKS_PER_PLAN === 0) void this.followLivePairs();
    const isShort = this.#answer === undefined || this.#answer.taken + this.#answer.refused > 0;
    if (isShort && monotonicMs() - this.#orderedAtMs > REORDER_MS) this.#send();
    this.#judge();
  }

  async #run(): Promise<void> {
    while (this.#again && this.#started) {
      this.#again = false;
      const { live, doors } = this.#options;
      const plan = planListening(this.#shown, doors, live.sequences, Date.now(), randomInt);
      // Kept first: what was shown and is forgotten would be shown a second time, among other decoys.
      if (plan.changed && !(await this.#keep(plan))) continue;
      await this.#follow(plan);
    }
  }

  async #keep({ shown }: ListenPlan): Promise<boolean> {
    try {
      await this.#file.save(shown);
      this.#shown = shown;
      this.#problem = undefined;
      return true;
    } catch (error) {
      this.#problem = `what listens cannot be kept on the disk, and must be: ${formatProblemOf(error)}`;
      this.#judge();
      return false;
    }
  }

  /** Resolves when the process has answered, or is not there to. */
  async #follow({ tcp, udp }: ListenPlan): Promise<void> {
    if (sameList(tcp, this.#order.tcp) && sameList(udp, this.#order.udp)) return;
    this.#order = { number: this.#order.number + 1, tcp, udp };
    this.#answer = undefined;
    this.#send();
    if (this.#process.status().state !== 'listening') return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#answered.push(resolve);
      timer = setTimeout(resolve, ANSWER_MS);
    });
    clearTimeout(timer);
    this.#judge();
  }

  #send(): void {
    this.#orderedAtMs = monotonicMs();
    this.#child?.order(formatOrder(this.#order));
  }

  #hear({ number, bound, taken, refused }: Bound): void {
    if (number !== this.#order.number) return;
    this.#answer = { bound, taken, refused };
    this.#release();
    if (taken + refused > 0 && !this.#saidUnbound) {
      this.#saidUnbound = true;
      this.#options.onUnbound(this.#answer);
    }
    this.#judge();
  }

  #release(): void {
    for (const resolve of this.#answered.splice(0)) resolve();
  }

  #problemNow(): string | undefined {
    const { state, reason } = this.#process.status();
    if (state !== 'listening') return reason ?? 'the process that listens starts';
    if (this.#problem !== undefined) return this.#problem;
    const { bound, wanted } = this.method().ports ?? { bound: 0, wanted: 0 };
    if (this.#answer === undefined) {
      return monotonicMs() - this.#orderedAtMs > ANSWER_MS ? 'the process that listens does not answer' : undefined;
    }
    if (wanted === 0 || bound >= wanted * ENOUGH) return undefined;
    const { taken, refused } = this.#answer;
    return `of ${wanted} ports ${bound} could be bound: others hold ${taken}, the system refused ${refused} (see ulimit -n)`;
  }

  #judge(): void {
    if (!this.#started) return;
    const problem = this.#problemNow();
    const state = problem === undefined ? 'listening' : 'deaf';
    this.#heard.reason = problem;
    if (this.#heard.state === state) return;
    this.#heard = { state, since: Date.now(), reason: problem };
    const [status] = this.status();
    if (status !== undefined) this.#options.onState(status);
  }
}

function sameList(one: readonly number[], other: readonly number[]): boolean {
  return one.length === other.length && one.every((port, at) => port === other[at]);
}
