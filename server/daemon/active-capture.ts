/**
 * What the daemon hears by: one capture at a time, begun anew where the configuration wants another; the losses it tells,
 * which void what is in progress; and its state, for the log. What a packet means is not its concern.
 */
import type { Capture, CaptureMethod, CaptureOptions, CaptureStatus } from '../capture/capture.ts';
import type { Clock } from '../clock/clock.ts';
import type { ServerConfig } from '../config/config.ts';
import type { Engine } from '../core/engine.ts';
import type { LivePairs } from '../core/matching/live-pairs.ts';
import { formatProblemOf } from '../log/error-text.ts';
import type { Log } from '../log/log.ts';
import { createLogLimit } from '../log/log-limit.ts';

const LOSSES_PER_MINUTE = 5;
/** What a door waits for before it opens: a kernel that is busy with another program's rules must not keep it shut. */
const HEARD_MS = 250;

export type CaptureListeners = Pick<CaptureOptions, 'onArrival' | 'onLost' | 'onState'>;

export interface ActiveCaptureDeps {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly log: Log;
  /** The configuration in force. */
  readonly config: () => ServerConfig;
  readonly onArrival: CaptureOptions['onArrival'];
  readonly createCapture: (config: ServerConfig, listeners: CaptureListeners, live: LivePairs) => Capture;
}

export class ActiveCapture {
  readonly #deps: ActiveCaptureDeps;
  readonly #losses = createLogLimit(LOSSES_PER_MINUTE);
  #capture: Capture;
  #stopping = false;
  #lost = 0;

  constructor(deps: ActiveCaptureDeps) {
    this.#deps = deps;
    this.#capture = this.#newCapture();
  }

  /** Packets that are known to have been lost on the way. */
  get lost(): number {
    return this.#lost;
  }

  /** Resolves when every interface has answered for the first time. */
  async start(): Promise<void> {
    await this.#capture.start();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#capture.stop();
  }

  /** The old one first: a packet that both hear would be two knocks of a sequence that repeats a port. */
  async restart(): Promise<void> {
    await this.#capture.stop();
    if (this.#stopping) return;
    this.#capture = this.#newCapture();
    try {
      await this.#capture.start();
    } catch (error) {
      // At the start that ends the daemon. One that has doors open must go on hearing.
      this.#deps.log.error('capture by pcap until the next start', { reason: formatProblemOf(error) });
      this.#capture = this.#newCapture({ ...this.#deps.config(), capture: 'pcap' });
      await this.#capture.start();
    }
  }

  /** The live pairs may have changed. */
  followLivePairs(): void {
    void this.#capture.followLivePairs();
  }

  /** Whoever sees the door open may knock at once with what has become live by this: until then it should be heard. */
  async whenLivePairsHeard(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const enough = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, HEARD_MS);
    });
    await Promise.race([this.#capture.followLivePairs(), enough]);
    clearTimeout(timer);
  }

  method(): CaptureMethod {
    return this.#capture.method();
  }

  status(): readonly CaptureStatus[] {
    return this.#capture.status();
  }

  /** Says how many lines were held back in the minute that has ended. */
  onTick(monoMs: number): void {
    for (const { suppressed } of this.#losses.drain(monoMs)) this.#deps.log.warn('more losses', { lines: suppressed });
  }

  #newCapture(config = this.#deps.config()): Capture {
    const listeners = { onArrival: this.#deps.onArrival, onLost: this.#lose, onState: this.#logCapture };
    return this.#deps.createCapture(config, listeners, this.#deps.engine.livePairs);
  }

  /** Anybody who can flood us can cause these. */
  readonly #lose = (packets: number): void => {
    this.#deps.engine.noteLoss();
    if (packets === 0) return;
    this.#lost += packets;
    if (!this.#losses.allow('packets', this.#deps.clock.now().monoMs)) return;
    this.#deps.log.warn('packets were lost, knocks in progress are void', { packets });
  };

  readonly #logCapture = (status: CaptureStatus): void => {
    const fields = { interface: status.interface, reason: status.reason, privileges: status.privileges };
    if (status.state === 'listening') this.#deps.log.info('listening', fields);
    if (status.state === 'listening' && status.lossesUnseen)
      this.#deps.log.warn('packets that the kernel loses will not be noticed', { interface: status.interface });
    if (status.state === 'deaf') this.#deps.log.error('deaf', fields);
  };
}
