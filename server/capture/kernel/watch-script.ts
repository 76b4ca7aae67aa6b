/**
 * Writes the nft scripts by which the kernel chooses packets. Pure functions; `kernel-watch.ts` runs the scripts.
 *
 * The table `inet knock_otp_watch` has one chain at the prerouting hook. It runs before conntrack defragments, so packets
 * look as they do to libpcap. Every verdict is `accept` or `return`. In a base chain these end only that chain, so the
 * host's other rules still decide about the packet. The table hands a packet over
 *
 *  1. when it goes to a live port. The same rule adds its source to the suspects. If that set is full, nft ends the rule
 *     without the hand-over: so the source of every packet that we see is a suspect.
 *  2. when its source is a suspect. That lasts from the last packet handed over, longer than any sequence may take.
 *
 * So after a packet of a source is seen, all its packets are seen for that time, and every stray of an attempt counts. A
 * full set leaves a mark in the set `overflow` for as long; until it expires, all packets are handed over.
 */
import { type AddressKey, formatAddress, isIpv4 } from '../../../shared/address.ts';
import { isUdp, knockOf, type Pair } from '../../../shared/knock.ts';
import type { CaptureScope } from '../capture.ts';

export const WATCH_TABLE = 'inet knock_otp_watch';
const TCP_SET = 'live_tcp';
const UDP_SET = 'live_udp';
/** Not empty while a source may have been missed. */
export const OVERFLOW_SET = 'overflow';

/** conntrack defragments at -400. */
const PRIORITY = -450;
/** Bytes of a packet that are handed over: enough for long IPv6 headers and the transport header. */
const SNAP_BYTES = 2048;
/** Set elements per script, so that no transaction takes more than a few milliseconds. */
const CHANGES_PER_SCRIPT = 256;

export interface WatchLayout extends CaptureScope {
  /** Names of interfaces; `any` for all. */
  readonly interfaces: readonly string[];
  /** Whether a door watches this host's own addresses. */
  readonly ownAddresses: boolean;
  /** Other addresses that doors watch. */
  readonly targets: readonly AddressKey[];
  readonly group: number;
  /** Lifetime of a suspect: longer than any sequence may take. */
  readonly suspectSeconds: number;
  /** Maximum of suspects of each address family. */
  readonly suspects: number;
}

export interface WatchState {
  /** `all`: every packet is handed over. `live`: packets to live ports, and packets of suspects. */
  readonly sees: 'live' | 'all';
  /** The tag of packets that these rules hand over, 1 to 255. */
  readonly tag: number;
}

/** Removes the table, and succeeds without one. */
export const REMOVE_WATCH = `add table ${WATCH_TABLE}\ndelete table ${WATCH_TABLE}\n`;
export const LIST_WATCH = `list table ${WATCH_TABLE}\n`;
/** Lists this set alone: listing the table takes a second when there are many suspects. */
export const LIST_OVERFLOW = `list set ${WATCH_TABLE} ${OVERFLOW_SET}\n`;

/** Replaces the table, if any, by a new one without suspects. */
export function watchTable(layout: WatchLayout, state: WatchState, live: Iterable<Pair>): string {
  const { tcp, udp, interfaces, suspects, suspectSeconds } = layout;
  const dynamic = (type: string, size: number) =>
    `type ${type}; flags dynamic,timeout; timeout ${suspectSeconds}s; size ${size};`;
  const pairs = [...live];
  const names = [...new Set(interfaces)];
  const eligibleTcp = tcp === 'any' ? 'tcp dport != 0' : 'tcp flags & (syn|ack) == syn';
  const text = [
    `table ${WATCH_TABLE} {`,
    `set ${TCP_SET} { type inet_service;${elements(pairs.filter((pair) => !isUdp(pair)))} }`,
    `set ${UDP_SET} { type inet_service;${elements(pairs.filter(isUdp))} }`,
    `set suspects4 { ${dynamic('ipv4_addr', suspects)} }`,
    `set suspects6 { ${dynamic('ipv6_addr', suspects)} }`,
    `set ${OVERFLOW_SET} { ${dynamic('inet_proto', 16)} }`,
    'chain take {',
    '}',
    'chain ours {',
    ...(layout.ownAddresses ? ['fib daddr type local goto take'] : []),
    ...ofTargets(layout, 'goto take'),
    '}',
    'chain eligible {',
    '}',
    'chain arrivals {',
    `type filter hook prerouting priority ${PRIORITY}; policy accept;`,
    ...(names.includes('any') ? [] : [`iifname != { ${names.map((name) => `"${name}"`).join(', ')} } return`]),
    `${eligibleTcp} jump eligible`,
    // Later fragments have no port, so they do not match.
    ...(udp ? ['udp dport != 0 jump eligible'] : []),
    // nft does not match ports behind this header, but our decoder reads them.
    'meta nfproto ipv6 meta l4proto ah jump ours',
    '}',
    '}',
  ];
  return [REMOVE_WATCH, ...text, '', watchRules(layout, state)].join('\n');
}

/** Replaces the rules that choose and tag packets; the sets stay. */
export function watchRules(layout: WatchLayout, { sees, tag }: WatchState): string {
  const all = sees === 'all';
  const log = `log prefix "${tag}" group ${layout.group} snaplen ${SNAP_BYTES} queue-threshold 1 accept`;
  const rule = (chain: string, text: string) => `add rule ${WATCH_TABLE} ${chain} ${text}`;
  return [
    ...['take', 'eligible'].map((chain) => `flush chain ${WATCH_TABLE} ${chain}`),
    rule('take', `update @suspects4 { ip saddr } ${log}`),
    rule('take', `update @suspects6 { ip6 saddr } ${log}`),
    rule('take', `update @${OVERFLOW_SET} { meta l4proto }`),
    rule('eligible', `tcp dport @${TCP_SET} jump ours`),
    ...(layout.udp ? [rule('eligible', `udp dport @${UDP_SET} jump ours`)] : []),
    rule('eligible', 'ip saddr @suspects4 jump ours'),
    rule('eligible', 'ip6 saddr @suspects6 jump ours'),
    ...(all && layout.ownAddresses ? [rule('eligible', `fib daddr type local ${log}`)] : []),
    ...(all ? ofTargets(layout, log).map((text) => rule('eligible', text)) : []),
    ...(all ? [rule('take', log)] : []),
    '',
  ].join('\n');
}

/** Scripts that add ports to the sets of live ports and remove others; none without changes. */
export function watchChanges(added: readonly Pair[], removed: readonly Pair[]): readonly string[] {
  const changes = [
    // Additions first, because new ports must be seen without delay.
    ...added.map((pair) => ['add', pair] as const),
    ...removed.map((pair) => ['delete', pair] as const),
  ];
  const scripts: string[] = [];
  for (let at = 0; at < changes.length; at += CHANGES_PER_SCRIPT) {
    const some = changes.slice(at, at + CHANGES_PER_SCRIPT);
    const lines = (['add', 'delete'] as const).flatMap((verb) => {
      const pairs = some.filter(([own]) => own === verb).map(([, pair]) => pair);
      return [
        changeLine(
          verb,
          TCP_SET,
          pairs.filter((pair) => !isUdp(pair)),
        ),
        changeLine(verb, UDP_SET, pairs.filter(isUdp)),
      ];
    });
    scripts.push(lines.filter((line) => line !== '').join(''));
  }
  return scripts;
}

/** Whether a source may have been missed in the last `suspectSeconds`, from the JSON of LIST_OVERFLOW. */
export function saysOverflow(listing: string): boolean {
  return /"elem": ?\[/.test(listing);
}

/** Whether a listing has the expected number of jumps, and of rules that hand over with this tag. */
export function hasWatchRules(listing: string, layout: WatchLayout, state: WatchState): boolean {
  const rule = new RegExp(`\\b(?:jump|goto) [a-z]+|prefix "${state.tag}" group ${layout.group} `, 'g');
  const count = (text: string) => text.match(rule)?.length ?? 0;
  return count(listing) === count(watchTable(layout, state, []));
}

function changeLine(verb: 'add' | 'delete', set: string, pairs: readonly Pair[]): string {
  return pairs.length === 0 ? '' : `${verb} element ${WATCH_TABLE} ${set} { ${ports(pairs)} }\n`;
}

function elements(pairs: readonly Pair[]): string {
  return pairs.length === 0 ? '' : ` elements = { ${ports(pairs)} };`;
}

function ports(pairs: readonly Pair[]): string {
  return pairs.map((pair) => knockOf(pair).port).join(', ');
}

function ofTargets({ targets }: WatchLayout, verdict: string): readonly string[] {
  return ([4, 6] as const).flatMap((family) => {
    const own = targets.filter((target) => isIpv4(target) === (family === 4)).map(formatAddress);
    return own.length === 0 ? [] : [`${family === 4 ? 'ip' : 'ip6'} daddr { ${own.join(', ')} } ${verdict}`];
  });
}
