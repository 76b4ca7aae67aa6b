/**
 * Chooses the Capture of a configuration: nftables where the kernel supports it, libpcap otherwise or when configured,
 * listening ports only when configured. Falls back from nftables to libpcap at the start.
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
  /** The doors of the `listen` method. */
  readonly listenedDoors: ListenOptions['doors'];
  /** Undefined: the kernel, with libpcap as fallback. */
  readonly wanted: CaptureMethod['kind'] | undefined;
  /** Called once with the reason when libpcap replaces the kernel. */
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
   * @throws KnockError CAPTURE when `kernel` is configured and not possible; STATE_REFUSED or STORE when the file of shown
   * ports is unusable
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
          hint: 'set capture = pcap in [options]',
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

/** An interface that is an NFLOG group means libpcap too: the administrator's own rules choose the packets. */
function usesPcap({ wanted, interfaces }: ChosenCaptureOptions): boolean {
  return wanted === 'pcap' || interfaces.some(isNflog);
}

/** Removes the table of a killed daemon. It does no harm, but this daemon would not replace it. */
async function removeLeftover(): Promise<void> {
  const nft = await openNftRunner();
  await nft.run(REMOVE_WATCH).catch(() => undefined);
  nft.close();
}
