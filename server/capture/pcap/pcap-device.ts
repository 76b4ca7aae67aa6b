/**
 * A live capture on one device: the sole importer of `cap`, and the place where its traps are dealt with. Runs in the
 * capture child only: when the device goes away, `cap` ends the process by an assertion.
 */
import { KnockError } from '../../../shared/errors.ts';
import { LINK_ETHERNET, LINK_NULL, LINK_RAW, LINK_SLL, LINK_TYPES } from '../../core/packet/link-layer.ts';

/** Larger than the snapshot length that `cap` sets, so that no packet is ever cut by us. */
const FRAME_BYTES = 65_536;
/** libpcap's ring: with offloading on it takes a slot of 128 KiB a packet, so this is 128 packets waiting. */
const KERNEL_BUFFER_BYTES = 16 * 1024 * 1024;

const NAMED_LINK_TYPES: Readonly<Record<string, number>> = {
  ETHERNET: LINK_ETHERNET,
  NULL: LINK_NULL,
  RAW: LINK_RAW,
  LINKTYPE_LINUX_SLL: LINK_SLL,
};

export interface PcapDevice {
  readonly linkType: number;
  /** The one buffer that every frame is written to. Valid during {@link FrameListener} only. */
  readonly frame: Buffer;
  /** Held, not used: see {@link openPcap}. */
  readonly capture: object;
}

/** `length` bytes at the front of the device's frame are the packet. Must not throw. */
export type FrameListener = (length: number) => void;

/**
 * Opens `device`. The caller must keep the result for as long as packets may come: `cap` writes through a pointer into
 * `frame` that the garbage collector does not see, and a collected frame is a heap written to by the network.
 * @throws KnockError CAPTURE with libpcap's words
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
