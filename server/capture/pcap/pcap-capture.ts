/**
 * The Capture by libpcap: one child process per interface. Checks the interfaces a few times a second while one is not
 * captured, so one that comes back is captured at once. `interface-capture.ts` decides what a check does.
 */

import { monotonicMs } from '../../clock/monotonic.ts';
import type { Capture, CaptureMethod, CaptureOptions, CaptureStatus } from '../capture.ts';
import { type ChildLauncher, launchChild } from '../child-process.ts';
import { InterfaceCapture } from '../interface-capture.ts';
import { type LinkReader, linkReader } from '../link-state.ts';
import { LookSchedule } from '../look-schedule.ts';

export interface PcapCaptureEdges {
  readonly readLink?: LinkReader;
  readonly launch?: ChildLauncher;
}

/** Tests pass edges; the defaults are libc and child processes. */
export class PcapCapture implements Capture {
  readonly #options: CaptureOptions;
  readonly #edges: PcapCaptureEdges;
  #interfaces: readonly InterfaceCapture[] = [];
  readonly #checks = new LookSchedule(() => this.#check());
  #started: () => void = () => {};

  constructor(options: CaptureOptions, edges: PcapCaptureEdges = {}) {
    this.#options = options;
    this.#edges = edges;
  }

  async start(): Promise<void> {
    const { interfaces, udp, tcp, onArrival, onLost, onState } = this.#options;
    const readLink = this.#edges.readLink ?? (await linkReader());
    const launch = this.#edges.launch ?? launchChild;
    await new Promise<void>((resolve) => {
      this.#started = resolve;
      // A Set, because a name given twice would count each packet twice.
      const undecided = new Set(interfaces);
      this.#interfaces = [...undecided].map(
        (name) =>
          new InterfaceCapture(
            {
              name,
              scope: { udp, tcp },
              onArrival,
              onLost,
              onState: (status) => {
                onState(status);
                this.#checks.checkSoon();
                undecided.delete(status.interface);
                if (undecided.size === 0) resolve();
              },
            },
            { readLink, launch, monotonicMs, wallMs: Date.now },
          ),
      );
      if (undecided.size === 0) resolve();
      this.#check();
      this.#checks.start();
    });
  }

  /** Nothing to do: all packets are captured, whatever is live. */
  followLivePairs(): Promise<void> {
    return Promise.resolve();
  }

  method(): CaptureMethod {
    return { kind: 'pcap', sees: 'all' };
  }

  status(): readonly CaptureStatus[] {
    return this.#interfaces.map((one) => one.status());
  }

  async stop(): Promise<void> {
    this.#checks.stop();
    this.#started();
    await Promise.all(this.#interfaces.map((one) => one.stop()));
  }

  #check(): boolean {
    for (const one of this.#interfaces) one.tick();
    return this.#interfaces.every((one) => one.status().state === 'listening');
  }
}
