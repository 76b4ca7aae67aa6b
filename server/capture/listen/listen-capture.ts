/**
 * The Capture by listening ports: a child process listens, and a connection or datagram to one of its ports is a knock.
 * Needs no privilege and no library. Orders ports from the child, after it has saved what scanners may see. `cohorts.ts`
 * chooses the ports, `listeners.ts` has the sockets.
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

const CHECK_MS = 250;
const PLAN_CHECKS = 4;
/** Interval after which ports in use by other programs are tried again. */
const REORDER_MS = 6_000;
/** Time limit for the answer to an order, on a busy machine. */
const ANSWER_MS = 5_000;
const EVERYWHERE = 'any';
/** Share of ports that must be bound: below it, hardly any sequence has all its ports. */
const ENOUGH = 0.5;

export interface ListenOptions {
  readonly live: LivePairs;
  readonly doors: readonly ListenedDoor[];
  readonly stateDir: string;
  /** An address of this host, used as the destination of a datagram, because the system does not tell the real one. */
  readonly ownAddress: (family: 4 | 6) => AddressKey | undefined;
  /** Called once, when ports could not be bound. */
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
  #waiters: (() => void)[] = [];
  #warned = false;
  /** Why new ports cannot be bound. */
  #problem: string | undefined;
  #running: Promise<void> | undefined;
  #dirty = false;
  #started = false;
  #checks = 0;
  #timer: NodeJS.Timeout | undefined;
  #state: { state: CaptureState; since: number; reason: string | undefined };

  constructor(options: CaptureOptions & ListenOptions) {
    this.#options = options;
    this.#file = new ShownFile(options.stateDir);
    this.#state = { state: 'starting', since: Date.now(), reason: undefined };
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
        onBound: (bound) => this.#onBound(bound),
        onState: () => this.#refresh(),
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

  /** @throws KnockError STATE_REFUSED or STORE when the file of shown cohorts is damaged or unreadable */
  async start(): Promise<void> {
    this.#shown = await this.#file.load();
    this.#process.tick();
    while (this.#process.status().state === 'starting') {
      await new Promise((resolve) => setTimeout(resolve, CHECK_MS / 10));
      this.#process.tick();
    }
    this.#started = true;
    await this.followLivePairs();
    this.#refresh();
    this.#timer = setInterval(() => this.#check(), CHECK_MS);
  }

  followLivePairs(): Promise<void> {
    if (!this.#started) return Promise.resolve();
    this.#dirty = true;
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
    const { state, since, reason } = this.#state;
    const { reason: _, ...process } = this.#process.status();
    return [{ ...process, state, since, ...(reason === undefined ? {} : { reason }) }];
  }

  async stop(): Promise<void> {
    this.#started = false;
    clearInterval(this.#timer);
    this.#wake();
    await this.#running;
    await this.#process.stop();
  }

  #check(): void {
    this.#process.tick();
    this.#checks += 1;
    if (this.#checks % PLAN_CHECKS === 0) void this.followLivePairs();
    const isShort = this.#answer === undefined || this.#answer.taken + this.#answer.refused > 0;
    if (isShort && monotonicMs() - this.#orderedAtMs > REORDER_MS) this.#send();
    this.#refresh();
  }

  async #run(): Promise<void> {
    while (this.#dirty && this.#started) {
      this.#dirty = false;
      const { live, doors } = this.#options;
      const plan = planListening(this.#shown, doors, live.sequences, Date.now(), randomInt);
      // Saved first: after a crash, an unsaved sequence would be shown again, among other decoys.
      if (plan.changed && !(await this.#save(plan))) continue;
      await this.#follow(plan);
    }
  }

  async #save({ shown }: ListenPlan): Promise<boolean> {
    try {
      await this.#file.save(shown);
      this.#shown = shown;
      this.#problem = undefined;
      return true;
    } catch (error) {
      this.#problem = `cannot save which ports listen: ${formatProblemOf(error)}`;
      this.#refresh();
      return false;
    }
  }

  /** Resolves when the child has answered, or after a timeout. */
  async #follow({ tcp, udp }: ListenPlan): Promise<void> {
    if (sameList(tcp, this.#order.tcp) && sameList(udp, this.#order.udp)) return;
    this.#order = { number: this.#order.number + 1, tcp, udp };
    this.#answer = undefined;
    this.#send();
    if (this.#process.status().state !== 'listening') return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#waiters.push(resolve);
      timer = setTimeout(resolve, ANSWER_MS);
    });
    clearTimeout(timer);
    this.#refresh();
  }

  #send(): void {
    this.#orderedAtMs = monotonicMs();
    this.#child?.order(formatOrder(this.#order));
  }

  #onBound({ number, bound, taken, refused }: Bound): void {
    if (number !== this.#order.number) return;
    this.#answer = { bound, taken, refused };
    this.#wake();
    if (taken + refused > 0 && !this.#warned) {
      this.#warned = true;
      this.#options.onUnbound(this.#answer);
    }
    this.#refresh();
  }

  #wake(): void {
    for (const resolve of this.#waiters.splice(0)) resolve();
  }

  #problemNow(): string | undefined {
    const { state, reason } = this.#process.status();
    if (state !== 'listening') return reason ?? 'the listening process is starting';
    if (this.#problem !== undefined) return this.#problem;
    const { bound, wanted } = this.method().ports ?? { bound: 0, wanted: 0 };
    if (this.#answer === undefined) {
      return monotonicMs() - this.#orderedAtMs > ANSWER_MS ? 'the listening process does not answer' : undefined;
    }
    if (wanted === 0 || bound >= wanted * ENOUGH) return undefined;
    const { taken, refused } = this.#answer;
    return `only ${bound} of ${wanted} ports bound: ${taken} in use, ${refused} refused by the system (see ulimit -n)`;
  }

  #refresh(): void {
    if (!this.#started) return;
    const problem = this.#problemNow();
    const state = problem === undefined ? 'listening' : 'deaf';
    this.#state.reason = problem;
    if (this.#state.state === state) return;
    this.#state = { state, since: Date.now(), reason: problem };
    const [status] = this.status();
    if (status !== undefined) this.#options.onState(status);
  }
}

function sameList(one: readonly number[], other: readonly number[]): boolean {
  return one.length === other.length && one.every((port, at) => port === other[at]);
}
