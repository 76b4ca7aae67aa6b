/** Reads the conditions of nft's JSON: what they say about a stranger's packet. Pure. */
import { comesFrom, comesFromRange, goesTo, isMulticast, type Match, not, oneOf } from './networks.ts';
import type { Stranger } from './passage.ts';

/** The elements of named sets. */
export type NftSets = Map<string, readonly unknown[]>;

type Test = (atom: unknown, packet: Stranger) => Match;

const PROTOCOLS: Readonly<Record<string, string>> = { 6: 'tcp', 17: 'udp' };
const FAMILIES: Readonly<Record<string, number>> = { ipv4: 4, ip: 4, 2: 4, ipv6: 6, ip6: 6, 10: 6 };
/** Protocols whose fields no packet of TCP or UDP has. */
const OTHERS = new Set(['icmp', 'icmpv6', 'igmp', 'sctp', 'dccp', 'udplite', 'esp', 'ah', 'comp', 'arp']);

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `match` as JSON. */
export function readCondition(match: unknown, sets: NftSets): (packet: Stranger) => Match {
  if (!isRecord(match)) return () => 'unknown';
  const { op, left, right } = match;
  const needs = neededBy(left);
  const test = testOf(left);
  if (test === undefined || (op !== '==' && op !== 'in' && op !== '!=')) {
    return (packet) => (needs(packet) ? 'unknown' : 'no');
  }
  const atoms = atomsOf(right, sets);
  const matches = (packet: Stranger): Match => {
    const holds = atoms === undefined ? 'unknown' : oneOf(atoms.map((atom) => test(atom, packet)));
    return op === '!=' ? not(holds) : holds;
  };
  // Every stranger has the same source, and a set of sources may be long.
  let ofSource: Match | undefined;
  return (packet) => {
    // Also `!=` first needs that the packet has the field.
    if (!needs(packet)) return 'no';
    if (payloadOf(left)?.field !== 'saddr') return matches(packet);
    ofSource ??= matches(packet);
    return ofSource;
  };
}

/** The interfaces and target networks that the statements name. */
export function namesOf(
  statements: readonly unknown[],
  sets: NftSets,
): { readonly interfaces: readonly string[]; readonly targets: readonly string[] } {
  const interfaces: string[] = [];
  const targets: string[] = [];
  for (const statement of statements) {
    if (!isRecord(statement)) continue;
    const { match, vmap } = statement;
    const left = isRecord(match) ? match['left'] : isRecord(vmap) ? vmap['key'] : undefined;
    const right = isRecord(match) ? match['right'] : isRecord(vmap) ? vmap['data'] : undefined;
    const atoms = atomsOf(right, sets) ?? [];
    if (isInterface(left)) interfaces.push(...atoms.filter((atom) => typeof atom === 'string'));
    else if (payloadOf(left)?.field === 'daddr') targets.push(...atoms.flatMap((atom) => networkOf(atom) ?? []));
  }
  return { interfaces, targets };
}

/** Which packets have what `left` reads. */
function neededBy(left: unknown): (packet: Stranger) => boolean {
  const protocol = payloadOf(left)?.protocol ?? '';
  if (protocol === 'tcp' || protocol === 'udp') return (packet) => packet.protocol === protocol;
  if (protocol === 'ip' || protocol === 'ip6') return (packet) => packet.family === FAMILIES[protocol];
  return () => !OTHERS.has(protocol);
}

function testOf(left: unknown): Test | undefined {
  const payload = payloadOf(left);
  if (payload !== undefined) return payloadTest(payload);
  if (!isRecord(left)) return undefined;
  const { meta, ct, fib } = left;
  if (isInterface(left)) return (atom, { via }) => yes(`${atom}`.endsWith('*') ? starts(via, atom) : via === atom);
  if (isRecord(meta) && meta['key'] === 'l4proto') return protocolTest;
  if (isRecord(meta) && (meta['key'] === 'nfproto' || meta['key'] === 'protocol')) {
    return (atom, { family }) => yes(FAMILIES[`${atom}`] === family);
  }
  if (isRecord(ct) && ct['key'] === 'state') return stateTest;
  // Whether a translation leads here is a question of its own.
  if (isRecord(ct) && ct['key'] === 'status') return (atom) => (atom === 'dnat' || atom === 'snat' ? 'no' : 'unknown');
  if (isRecord(fib) && fib['result'] === 'type' && `${fib['flags']}` === 'daddr') return typeTest;
  return undefined;
}

function payloadTest({ protocol, field }: Payload): Test | undefined {
  if (field === 'dport' && ['tcp', 'udp', 'th'].includes(protocol)) return portTest;
  // The stranger chooses it.
  if (field === 'sport' && ['tcp', 'udp', 'th'].includes(protocol)) return () => 'maybe';
  if (protocol !== 'ip' && protocol !== 'ip6') return undefined;
  if (field === 'saddr') return sourceTest;
  if (field === 'daddr') return targetTest;
  return field === 'protocol' || field === 'nexthdr' ? protocolTest : undefined;
}

const portTest: Test = (atom, { port }) => {
  const [from, to] = rangeOf(atom) ?? [atom, atom];
  if (typeof from !== 'number' || typeof to !== 'number') return 'unknown';
  if (port === undefined) return 'maybe';
  return yes(port >= from && port <= to);
};

const protocolTest: Test = (atom, { protocol }) => yes((PROTOCOLS[`${atom}`] ?? atom) === protocol);

const sourceTest: Test = (atom, { family }) => {
  const range = rangeOf(atom);
  if (range !== undefined) return comesFromRange(`${range[0]}`, `${range[1]}`, family);
  const network = networkOf(atom);
  return network === undefined ? 'unknown' : comesFrom(network, family);
};

const targetTest: Test = (atom, { target }) => {
  const network = networkOf(atom);
  return network === undefined ? 'unknown' : goesTo(network, target);
};

/** The state of a packet that begins a connection. */
const stateTest: Test = (atom) => {
  if (atom === 'new') return 'yes';
  if (atom === 'untracked') return 'maybe';
  return atom === 'established' || atom === 'related' || atom === 'invalid' ? 'no' : 'unknown';
};

/** The input hook sees packets to addresses of this host, to groups, and to everyone. */
const typeTest: Test = (atom, { target, protocol }) => {
  if (atom === 'local') return yes(!isMulticast(target));
  if (atom === 'multicast') return yes(isMulticast(target));
  return atom === 'broadcast' && protocol === 'udp' ? 'maybe' : 'unknown';
};

interface Payload {
  readonly protocol: string;
  readonly field: string;
}

function payloadOf(left: unknown): Payload | undefined {
  const payload = isRecord(left) ? left['payload'] : undefined;
  return isRecord(payload) ? { protocol: `${payload['protocol']}`, field: `${payload['field']}` } : undefined;
}

function isInterface(left: unknown): boolean {
  const meta = isRecord(left) ? left['meta'] : undefined;
  return isRecord(meta) && (meta['key'] === 'iifname' || meta['key'] === 'iif');
}

/** The single values of the right side; undefined for a set that is not known. */
function atomsOf(right: unknown, sets: NftSets): readonly unknown[] | undefined {
  if (typeof right === 'string' && right.startsWith('@')) {
    const elements = sets.get(right.slice(1));
    return elements?.flatMap((element) => atomsOf(element, sets) ?? [undefined]);
  }
  if (Array.isArray(right)) return right;
  if (!isRecord(right)) return [right];
  if (Array.isArray(right['set'])) return right['set'].flatMap((element) => atomsOf(element, sets) ?? [undefined]);
  // An element with a timeout or a comment.
  if (isRecord(right['elem'])) return [right['elem']['val']];
  return [right];
}

/** `{"range": [22, 30]}`. */
function rangeOf(atom: unknown): readonly [unknown, unknown] | undefined {
  const range = isRecord(atom) ? atom['range'] : undefined;
  return Array.isArray(range) && range.length === 2 ? [range[0], range[1]] : undefined;
}

/** An address, or `{"prefix": {"addr": "10.0.0.0", "len": 8}}`. */
function networkOf(atom: unknown): string | undefined {
  if (typeof atom === 'string') return atom;
  const prefix = isRecord(atom) ? atom['prefix'] : undefined;
  return isRecord(prefix) ? `${prefix['addr']}/${prefix['len']}` : undefined;
}

function starts(text: string, pattern: unknown): boolean {
  return text.startsWith(`${pattern}`.slice(0, -1));
}

function yes(holds: boolean): Match {
  return holds ? 'yes' : 'no';
}
