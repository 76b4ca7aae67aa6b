/**
 * The text of the nft scripts by which the kernel chooses packets for us. Pure. Knows the layout of the table and why a
 * packet is handed over; when a script is run is kernel-watch's business.
 *
 * The table `inet knock_otp_watch` has one chain at the prerouting hook, before conntrack puts fragments together, so that
 * they look as they do to libpcap. Every verdict in it is `accept` or `return`, which in a base chain end that chain and
 * nothing else: what other rules of the host do with a packet is not changed. A packet is handed over
 *
 *  1. when it goes to a live port: its source is put among the suspects then, in the same rule. Where the set is full,
 *     nft breaks that rule off, and the packet is not handed over: a packet that we see has made its source a suspect.
 *  2. when its source is a suspect: that lasts from the last packet handed over, longer than any sequence may take.
 *
 * So whoever is seen at t is seen with all that he sends until t + that time, and the strays of every run that begins with
 * a knock are counted. A full set leaves a mark for as long; then all packets are handed over until the mark is gone.
 */
import { type AddressKey, formatAddress, isIpv4 } from '../../../shared/address.ts';
import { isUdp, knockOf, type Pair } from '../../../shared/knock.ts';
import type { CaptureScope } from '../capture.ts';

export const WATCH_TABLE = 'inet knock_otp_watch';
const TCP_SET = 'live_tcp';
const UDP_SET = 'live_udp';
/** Holds something while a source may have been overlooked. */
export const OVERFLOW_SET = 'overflow';

/** conntrack defragments at -400. */
const PRIORITY = -450;
/** Headers of IPv6 may be long; what is behind them is not looked at. */
const SNAP_BYTES = 2048;
/** One change of a set, so that no transaction takes more than a few milliseconds. */
const CHANGES_PER_SCRIPT = 256;

export interface WatchLayout extends CaptureScope {
  /** Names of interfaces; `any` for all. */
  readonly interfaces: readonly string[];
  /** Whether some door watches this host's own addresses. */
  readonly ownAddresses: boolean;
  /** Addresses that doors watch besides. */
  readonly targets: readonly AddressKey[];
  readonly group: number;
  /** Longer than any sequence may take. */
  readonly suspectSeconds: number;
  /** Suspects at a time, of each family. */
  readonly suspects: number;
}

export interface WatchState {
  /** Whether all packets are handed over, or those of suspects. */
  readonly sees: 'live' | 'all';
  /** Of the packets from here on, 1 to 255. */
  readonly tag: number;
}

/** Takes the table away, whether it is there or not. */
export const REMOVE_WATCH = `add table ${WATCH_TABLE}\ndelete table ${WATCH_TABLE}\n`;
export const LIST_WATCH = `list table ${WATCH_TABLE}\n`;
/** Loads no other set: the listing of a table takes a second when there are many suspects. */
export const LIST_OVERFLOW = `list set ${WATCH_TABLE} ${OVERFLOW_SET}\n`;

/** Replaces whatever table there is by a fresh one, without suspects. */
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
    // Later fragments have no port, and break off here.
    ...(udp ? ['udp dport != 0 jump eligible'] : []),
    // The kernel's matches do not look behind this header, our decoder does.
    'meta nfproto ipv6 meta l4proto ah jump ours',
    '}',
    '}',
  ];
  return [REMOVE_WATCH, ...text, '', watchRules(layout, state)].join('\n');
}

/** Replaces the rules that say what is handed over, and with which tag; sets stay as they are. */
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

/** Scripts that bring the sets of live ports from what they hold to what they should; none when there is nothing to do. */
export function watchChanges(added: readonly Pair[], removed: readonly Pair[]): readonly string[] {
  const changes = [
    // What must be seen first.
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

/** Whether a source may have been overlooked within the last `suspectSeconds`, by LIST_OVERFLOW's JSON. */
export function saysOverflow(listing: string): boolean {
  return /"elem": ?\[/.test(listing);
}

/** Whether a listing of the table has as many rules that lead to us, and hand over with this tag, as it should. */
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
