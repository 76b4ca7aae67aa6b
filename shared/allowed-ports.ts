/**
 * The ports that derived knocks may use: a range minus excludes. Reads and writes their text form (`1024-65535`,
 * `1900,5060-5061`). Profiles carry its canonical spelling: client and server must agree on every port.
 */
import { KnockError } from './errors.ts';
import { parsePort } from './knock.ts';

export interface PortRange {
  readonly from: number;
  readonly to: number;
}

/** Ascending, disjoint, not adjacent. */
export type PortRanges = readonly PortRange[];

/** Default `port_range`: the ports that need no privilege to listen on, so few services use them. */
export const DEFAULT_PORT_RANGE = '1024-65535';

/**
 * Default `exclude_ports`: ports that carriers, hotel networks and home routers commonly filter or answer themselves
 * (SQL worms, SSDP, RDP, SIP, mDNS/LLMNR, IRC). A knock to them would be lost on its way.
 */
export const DEFAULT_EXCLUDE_PORTS = '1433-1434,1900,3389,5060-5061,5353,5355,6666-6669';

/**
 * Reads `1024-2000,3000` into canonical ranges. An empty text means no ports.
 * @throws KnockError CONFIG_INVALID that names the wrong part
 */
export function parsePortRanges(text: string): PortRanges {
  const ranges: PortRange[] = [];
  for (const part of text.split(',').map((piece) => piece.trim())) {
    if (part === '') continue;
    const [low = '', high = low, rest] = part.split('-').map((piece) => piece.trim());
    const from = parsePort(low);
    const to = parsePort(high);
    if (from === undefined || to === undefined || rest !== undefined || from > to) {
      throw new KnockError('CONFIG_INVALID', `"${part}" is not a port or a range of ports`, {
        hint: 'write ports as 1 to 65535, ranges as 1024-65535, several with commas',
      });
    }
    ranges.push({ from, to });
  }
  return canonical(ranges);
}

export function formatPortRanges(ranges: PortRanges): string {
  return ranges.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`)).join(',');
}

/** The ascending list of ports in `range` that are not in `exclude` (SPEC section 4). */
export function allowedPorts(range: PortRanges, exclude: PortRanges): readonly number[] {
  // The client makes this list at every start, in code that is not compiled yet. Pushing each port, or checking each
  // for
  // exclusion, took longer than the knock. So the array has its final size, and the loop jumps over excluded ranges.
  const ports = new Array<number>(countAllowedPorts(range, exclude));
  let at = 0;
  for (const { from, to } of range) {
    let next = from;
    for (const gap of exclude) {
      if (gap.to < next || gap.from > to) continue;
      for (; next < gap.from; next += 1) ports[at++] = next;
      next = gap.to + 1;
    }
    for (; next <= to; next += 1) ports[at++] = next;
  }
  return ports;
}

/** The length of the list of {@link allowedPorts}, without making it. */
export function countAllowedPorts(range: PortRanges, exclude: PortRanges): number {
  let count = 0;
  for (const { from, to } of range) {
    count += to - from + 1;
    for (const out of exclude) count -= Math.max(0, Math.min(to, out.to) - Math.max(from, out.from) + 1);
  }
  return count;
}

function canonical(ranges: readonly PortRange[]): PortRanges {
  const merged: { from: number; to: number }[] = [];
  for (const { from, to } of ranges.toSorted((a, b) => a.from - b.from)) {
    const last = merged.at(-1);
    if (last !== undefined && from <= last.to + 1) last.to = Math.max(last.to, to);
    else merged.push({ from, to });
  }
  return merged;
}
