/**
 * Whether an interface can be captured on now: does it exist, is it up, and is it still the same one. Reads this through
 * libc, or from sysfs without koffi. Called a few times a second, so it costs three system calls.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { loadLibc } from './libc.ts';
import { isDeviceName, isPseudoDevice } from './pcap/pcap-filter.ts';

export type LinkState =
  | {
      readonly usable: true;
      /** A new index under the same name is another interface. 0 for pseudo-devices, which always exist. */
      readonly index: number;
      /** The bridge or bond of which this interface is a port, if sysfs shows it. */
      readonly master?: string;
    }
  | { readonly usable: false; readonly reason: string };

export type LinkReader = (name: string) => LinkState;

const IFF_UP = 1;
const PSEUDO: LinkState = { usable: true, index: 0 };
const NO_NAME: LinkState = { usable: false, reason: 'not the name of an interface' };
const MISSING: LinkState = { usable: false, reason: 'the interface does not exist' };
const DOWN: LinkState = { usable: false, reason: 'the interface is down' };

/** Uses libc when koffi is installed: sysfs shows the network namespace of the process that mounted it, maybe not ours. */
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

/** Undefined when sysfs shows an interface of that name in another network namespace. */
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
