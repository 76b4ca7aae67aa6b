/**
 * Opens a live libpcap capture on one device. The only file that imports `cap`; it handles the traps of that library. Runs
 * in the capture child only, because `cap` aborts the process when the device disappears.
 */
import { KnockError } from '../../../shared/errors.ts';
import { LINK_ETHERNET, LINK_NULL, LINK_RAW, LINK_SLL, LINK_TYPES } from '../../core/packet/link-layer.ts';

/** Larger than the snapshot length that `cap` sets, so that this buffer never cuts a packet. */
const FRAME_BYTES = 65_536;
/** Size of libpcap's ring. With offloading each packet takes a slot of 128 KiB, so 128 packets can wait. */
const KERNEL_BUFFER_BYTES = 16 * 1024 * 1024;

const NAMED_LINK_TYPES: Readonly<Record<string, number>> = {
  ETHERNET: LINK_ETHERNET,
  NULL: LINK_NULL,
  RAW: LINK_RAW,
  LINKTYPE_LINUX_SLL: LINK_SLL,
};

export interface PcapDevice {
  readonly linkType: number;
  /** The buffer to which every frame is written. Valid only during a {@link FrameListener}. */
  readonly frame: Buffer;
  /** Kept alive but not used: see {@link openPcap}. */
  readonly capture: object;
}

/** The packet is the first `length` bytes of the device's frame. Must not throw. */
export type FrameListener = (length: number) => void;

/**
 * Opens `device`. The caller must keep the result as long as packets may arrive: `cap` writes through a raw pointer into
 * `frame`, and after a garbage collection of `frame` the network would write into freed memory.
 * @throws KnockError CAPTURE with libpcap's message
 */
export async function openPcap(device: string, filter: string, onFrame: FrameListener): Promise<PcapDevice> {
  const { default: cap } = await import('cap').catch((cause: unknown) => {
    throw new KnockError('CAPTURE', 'the packet capture library is not installed', {
      hint: 'install libpcap and its headers, then npm rebuild cap',
      cause,
    });
  });
  const frame = Buffer.alloc(FRAME_BYTES);
  const capture = new cap.Cap();
  const name = open(() => capture.open(device, filter, KERNEL_BUFFER_BYTES, frame), device);
  const linkType = NAMED_LINK_TYPES[name] ?? Number(/^Unknown linktype ([0-9]+)$/.exec(name)?.[1] ?? Number.NaN);
  if (!LINK_TYPES.includes(linkType)) {
    throw new KnockError('CAPTURE', `cannot read the frames of ${device}: ${name}`);
  }
  capture.on('packet', (length) => onFrame(length));
  return { linkType, frame, capture };
}

function open(action: () => string, device: string): string {
  try {
    return action();
  } catch (cause) {
    throw new KnockError('CAPTURE', `cannot open ${device}: ${(cause as Error).message}`, { cause });
  }
}
