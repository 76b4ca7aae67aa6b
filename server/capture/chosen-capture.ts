/**
 * The Capture of a configuration: the kernel's choice where that can be had, libpcap elsewhere or by wish, ports that
 * listen by wish alone. Knows when the one takes the other's place; how each hears is theirs.
 */
import { KnockError } from '../../shared/errors.ts';
import { formatProblemOf } from '../log/error-text.ts';
import { openNftRunner } from '../nft/open-nft-runner.ts';
import type { Capture, CaptureMethod, CaptureStatus } from './capture.ts';
import { KernelCapture, type KernelCaptureOptions } from './kernel/kernel-capture.ts';
import { REMOVE_WATCH } from './kernel/watch-script.ts';
import { ListenCapture, type ListenOptions } from './listen/listen-capture.ts';
import { PcapCapture } from './pcap/pcap-capture.ts';
import { isNflog } from './pcap/pcap-filter.ts';

export interface ChosenCaptureOptions extends KernelCaptureOptions, Omit<ListenOptions, 'live' | 'doors'> {
  /** What listens, where that is wanted. */
  readonly listenedDoors: ListenOptions['doors'];
  /** Undefined: the kernel, and libpcap where the kernel cannot. */
  readonly wanted: CaptureMethod['kind'] | undefined;
  /** Once, when libpcap is used because the kernel cannot, with the reason. */
  readonly onFallback: (reason: string) => void;
}

export class ChosenCapture implements Capture {
  readonly #options: ChosenCaptureOptions;
  #capture: Capture;

  constructor(options: ChosenCaptureOptions) {
    this.#options = options;
    this.#capture = captureOf(options);
  }

  /**
   * @throws KnockError CAPTURE when the kernel's choice is wanted and cannot be had, STATE_REFUSED or STORE when it is
   * unknown what listened before
   */
  async start(): Promise<void> {
    const { wanted, onFallback } = this.#options;
    if (wanted === 'listen' || usesPcap(this.#options)) {
      await removeLeftover();
      await this.#capture.start();
      return;
    }
    try {
      await this.#capture.start();
    } catch (cause) {
      const reason = formatProblemOf(cause);
      if (wanted === 'kernel') {
        throw new KnockError('CAPTURE', `the kernel cannot choose packets here: ${reason}`, {
          cause,
          hint: 'capture = pcap in [options] hears without it',
        });
      }
      onFallback(reason);
      this.#capture = new PcapCapture(this.#options);
      await this.#capture.start();
    }
  }

  followLivePairs(): Promise<void> {
    return this.#capture.followLivePairs();
  }

  method(): CaptureMethod {
    return this.#capture.method();
  }

  status(): readonly CaptureStatus[] {
    return this.#capture.status();
  }

  stop(): Promise<void> {
    return this.#capture.stop();
  }
}

function captureOf(options: ChosenCaptureOptions): Capture {
  if (options.wanted === 'listen') return new ListenCapture({ ...options, doors: options.listenedDoors });
  return usesPcap(options) ? new PcapCapture(options) : new KernelCapture(options);
}

/** Where an interface is an NFLOG group, rules of the administrator's choose. */
function usesPcap({ wanted, interfaces }: ChosenCaptureOptions): boolean {
  return wanted === 'pcap' || interfaces.some(isNflog);
}

/** What a daemon that was killed left, when this one would not replace it. Harmless, but no longer anybody's. */
async function removeLeftover(): Promise<void> {
  const nft = await openNftRunner();
  await nft.run(REMOVE_WATCH).catch(() => undefined);
  nft.close();
}
