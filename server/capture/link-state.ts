/**
 * Whether an interface can be listened to right now: is it there, is it up, and is it still the same one. Asked a few
 * times a second, so it costs three system calls. Knows libc's names for it, and sysfs where there is no koffi.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { loadLibc } from './libc.ts';
import { isDeviceName, isPseudoDevice } from './pcap/pcap-filter.ts';

export type LinkState =
  | {
      readonly usable: true;
      /** Another number under the same name is another interface. 0 for pseudo-devices: they are always there. */
      readonly index: number;
      /** The bridge or bond that this interface is a port of, where sysfs shows it. */
      readonly master?: string;
    }
  | { readonly usable: false; readonly reason: string };

export type LinkReader = (name: string) => LinkState;

const IFF_UP = 1;
const PSEUDO: LinkState = { usable: true, index: 0 };
const NO_NAME: LinkState = { usable: false, reason: 'not the name of an interface' };
const MISSING: LinkState = { usable: false, reason: 'the interface does not exist' };
const DOWN: LinkState = { usable: false, reason: 'the interface is down' };

/** The kernel's own answer where koffi is there: sysfs shows the network namespace of whoever mounted it, not ours. */
export async function linkReader(): Promise<LinkReader> {
  const libc = await loadLibc();
  return (name) => {
    if (!isDeviceName(name)) return NO_NAME;
    if (isPseudoDevice(name)) return PSEUDO;
    const index = libc === undefined ? sysfsNumber(name, 'ifindex') : libc.interfaceIndex(name);
    if (index <= 0) return MISSING;
    const flags = libc === undefined ? sysfsNumber(name, 'flags') : libc.interfaceFlags(name);
    if (flags < 0) return MISSING;
    if ((flags & IFF_UP) === 0) return DOWN;
    const master = masterOf(name, index);
    return master === undefined ? { usable: true, index } : { usable: true, index, master };
  };
}

/** Only where sysfs shows this very interface, and not one of that name in another network namespace. */
function masterOf(name: string, index: number): string | undefined {
  try {
    const master = readlinkSync(`/sys/class/net/${name}/master`).split('/').at(-1);
    return sysfsNumber(name, 'ifindex') === index ? master : undefined;
  } catch {
    return undefined;
  }
}

function sysfsNumber(name: string, attribute: 'ifindex' | 'flags'): number {
  try {
    return Number(readFileSync(`/sys/class/net/${name}/${attribute}`, 'latin1').trim());
  } catch {
    return -1;
  }
}
