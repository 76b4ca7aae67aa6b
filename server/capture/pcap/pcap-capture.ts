/**
 * The Capture that runs one child an interface. Knows when to look: a few times a second while an interface is not heard, which
 * is how one that comes back is heard again at once. What a look decides stands in interface-capture.
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

/** The edges are for tests; without them, libc and child processes. */
export class PcapCapture implements Capture {
  readonly #options: CaptureOptions;
  readonly #edges: PcapCaptureEdges;
  #interfaces: readonly InterfaceCapture[] = [];
  readonly #looks = new LookSchedule(() => this.#look());
  #decided: () => void = () => {};

  constructor(options: CaptureOptions, edges: PcapCaptureEdges = {}) {
    this.#options = options;
    this.#edges = edges;
  }

  async start(): Promise<void> {
    const { interfaces, udp, tcp, onArrival, onLost, onState } = this.#options;
    const readLink = this.#edges.readLink ?? (await linkReader());
    const launch = this.#edges.launch ?? launchChild;
    await new Promise<void>((resolve) => {
      this.#decided = resolve;
      // A name that stands there twice would have each packet counted twice.
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
                this.#looks.soon();
                undecided.delete(status.interface);
                if (undecided.size === 0) resolve();
              },
            },
            { readLink, launch, monotonicMs, wallMs: Date.now },
          ),
      );
      if (undecided.size === 0) resolve();
      this.#look();
      this.#looks.start();
    });
  }

  /** Everything is heard, whatever is live. */
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
    this.#looks.stop();
    this.#decided();
    await Promise.all(this.#interfaces.map((one) => one.stop()));
  }

  #look(): boolean {
    for (const one of this.#interfaces) one.tick();
    return this.#interfaces.every((one) => one.status().state === 'listening');
  }
}
