/**
 * Packet scripts of test data: words for packets (source, destination, content) and for pauses. Turns the words into
 * frames; beside-knockd sends them.
 *
 *   7000          a SYN from A to the server       B>7000     from B; A6, B6: over IPv6
 *   8000:udp      a UDP datagram                   7000/fin   other TCP flags, `/` alone: none
 *   7000@other    to the server's other address, @third: through it, to a third host
 *   7000~5        inside VLAN 5                    6990-7010  a sweep; 7010-6990 downwards
 *   wait=2.5      seconds                          at=900     until the wall clock's milliseconds are 900
 */
import { frameOf } from './frames.ts';

/** Addresses that both servers have, so that one frame is a knock at both. */
export const SHARED = { ipv4: '10.77.0.250', ipv6: 'fd77::250' } as const;
const OTHER = { ipv4: '10.77.0.251', ipv6: 'fd77::251' } as const;
export const OTHER_ADDRESSES = [OTHER.ipv4, OTHER.ipv6] as const;
/** An address that no host has. */
export const THIRD_HOST = '10.77.0.240';
const BROADCAST = 'ff:ff:ff:ff:ff:ff';
/** An address that no host has: the switch must not learn a host's port from these frames. */
const SENDER = '02:00:00:00:77:f0';
const FLAGS: Readonly<Record<string, number>> = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16, urg: 32 };

export type Step =
  | { readonly kind: 'frames'; readonly frames: readonly Buffer[] }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'at'; readonly ms: number };

/** The addresses of the letters of one script; `number` 0 to 9 keeps scripts apart. */
export function sourceAddress(letter: string, number: number): string {
  const last = 100 + number * 10 + letter.charCodeAt(0) - 65;
  return letter.endsWith('6') ? `fd77::${last}` : `10.77.0.${last}`;
}

export function parsePacketScript(script: string, number = 0): readonly Step[] {
  const steps: Step[] = [];
  let frames: Buffer[] = [];
  const flush = (): void => {
    if (frames.length > 0) steps.push({ kind: 'frames', frames });
    frames = [];
  };
  for (const word of script.split(/\s+/).filter((part) => part !== '')) {
    const pause = /^(wait|at)=([\d.]+)$/.exec(word);
    if (pause === null) {
      frames.push(...framesOf(word, number));
      continue;
    }
    flush();
    const value = Number(pause[2]);
    steps.push(pause[1] === 'at' ? { kind: 'at', ms: value } : { kind: 'wait', ms: value * 1000 });
  }
  flush();
  return steps;
}

const WORD = /^(?:([A-F]6?)>)?(\d+)(?:-(\d+))?(?::(udp))?(?:\/([a-z,]*))?(?:@(other|third))?(?:~(\d+))?$/;

function framesOf(word: string, number: number): readonly Buffer[] {
  const found = WORD.exec(word);
  if (found === null) throw new Error(`no word of a packet script: ${word}`);
  const [, letter = 'A', first = '', last = first, udp, flags, to, vlan] = found;
  const from = sourceAddress(letter, number);
  const own = to === 'other' ? OTHER : SHARED;
  const ends = {
    fromMac: SENDER,
    // One broadcast frame for both servers: no kernel answers a broadcast.
    toMac: BROADCAST,
    from,
    to: to === 'third' ? THIRD_HOST : letter.endsWith('6') ? own.ipv6 : own.ipv4,
  };
  const packet = {
    protocol: udp === undefined ? 'tcp' : 'udp',
    ...(flags === undefined ? {} : { flags: flagBits(flags) }),
    ...(vlan === undefined ? {} : { vlan: Number(vlan) }),
  } as const;
  return portsBetween(Number(first), Number(last)).map((port, at) => frameOf(ends, { ...packet, port }, at));
}

function portsBetween(first: number, last: number): readonly number[] {
  const step = first <= last ? 1 : -1;
  return Array.from({ length: Math.abs(last - first) + 1 }, (_, at) => first + at * step);
}

function flagBits(names: string): number {
  return names
    .split(',')
    .filter((name) => name !== '')
    .reduce((bits, name) => {
      const bit = FLAGS[name];
      if (bit === undefined) throw new Error(`no TCP flag: ${name}`);
      return bits | bit;
    }, 0);
}
