/** Networks in a firewall's rules: which packets of a stranger come from them, or go to them. Pure. */
import ipaddr from 'ipaddr.js';

export type Family = 4 | 6;

/**
 * What a condition says about a stranger's packet. `maybe`: as the stranger or the moment likes it, so it lets in, but
 * keeps nobody out. `unknown`: we do not understand the condition.
 */
export type Match = 'yes' | 'no' | 'maybe' | 'unknown';

/** An address is its own network. Undefined for other text. */
export function parseNetwork(text: string): readonly [ipaddr.IPv4 | ipaddr.IPv6, number] | undefined {
  try {
    if (text.includes('/')) return ipaddr.parseCIDR(text);
    const address = ipaddr.parse(text);
    return [address, address.kind() === 'ipv4' ? 32 : 128];
  } catch {
    return undefined;
  }
}

/**
 * Whether a stranger's packet comes from the network. A stranger can have any address. So a rule for a network as large
 * as a part of the internet lets strangers in. One for at most a /8 (in IPv6 a /16, or addresses of a site or a link) is
 * for those whom the administrator has chosen.
 */
export function comesFrom(text: string, family: Family): Match {
  const network = parseNetwork(text);
  if (network === undefined) return 'unknown';
  const [address, length] = network;
  if (address.kind() !== (family === 4 ? 'ipv4' : 'ipv6')) return 'no';
  if (length === 0) return 'yes';
  if (family === 4) return length < 8 ? 'maybe' : 'no';
  const isNear = length >= 7 && (address.range() === 'uniqueLocal' || address.range() === 'linkLocal');
  return length < 16 && !isNear ? 'maybe' : 'no';
}

/** As {@link comesFrom}, of all addresses from one to another. */
export function comesFromRange(from: string, to: string, family: Family): Match {
  const first = parseNetwork(from)?.[0];
  const last = parseNetwork(to)?.[0];
  if (first === undefined || last === undefined) return 'unknown';
  if (first.kind() !== (family === 4 ? 'ipv4' : 'ipv6')) return 'no';
  return numberOf(last) - numberOf(first) < 1n << (family === 4 ? 24n : 112n) ? 'no' : 'maybe';
}

/** Whether a packet to `target` goes to the network. */
export function goesTo(text: string, target: string): Match {
  const network = parseNetwork(text);
  const address = parseNetwork(target)?.[0];
  if (network === undefined || address === undefined) return 'unknown';
  return address.kind() === network[0].kind() && address.match(network[0], network[1]) ? 'yes' : 'no';
}

/** The first and the last address of the network, as text. */
export function endsOf(text: string): readonly string[] {
  const network = parseNetwork(text);
  if (network === undefined) return [];
  const bytes = network[0].toByteArray();
  const filled = (bit: 0 | 1) =>
    bytes.map((byte, at) => {
      const kept = Math.min(8, Math.max(0, network[1] - at * 8));
      const rest = 0xff >> kept;
      return bit === 1 ? byte | rest : byte & ~rest & 0xff;
    });
  return [filled(0), filled(1)].map((end) => ipaddr.fromByteArray(end).toString());
}

export function isMulticast(address: string): boolean {
  return parseNetwork(address)?.[0].range() === 'multicast';
}

export function not(match: Match): Match {
  if (match === 'yes') return 'no';
  return match === 'no' ? 'yes' : match;
}

/** Whether all conditions hold. */
export function allOf(matches: readonly Match[]): Match {
  for (const match of ['no', 'unknown', 'maybe'] as const) if (matches.includes(match)) return match;
  return 'yes';
}

/** Whether one of the conditions holds. */
export function oneOf(matches: readonly Match[]): Match {
  for (const match of ['yes', 'maybe', 'unknown'] as const) if (matches.includes(match)) return match;
  return 'no';
}

function numberOf(address: ipaddr.IPv4 | ipaddr.IPv6): bigint {
  return address.toByteArray().reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
}
