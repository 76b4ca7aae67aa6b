/**
 * Writes the nft scripts and parses nft's listings. Pure. `nftables.ts` runs the scripts. Only formatted addresses,
 * encoded names and checked numbers go into a script.
 *
 * The layout of `table inet knock_otp`: each door has two sets of granted addresses, and the kernel expires their
 * elements. One chain runs at the input hook, before the host's own filters. It drops packets or leaves them to the
 * host's rules: `accept` in a base chain ends only that chain. Two more sets hold the sessions that are older than the
 * table, by addresses and ports; they let only packets without SYN through.
 */
import { type AddressKey, addressKey, formatAddress, isIpv4 } from '../../../shared/address.ts';
import { KnockError } from '../../../shared/errors.ts';
import { NAME_PATTERN } from '../../../shared/formats/profile-uri.ts';
import type { Opening } from '../firewall.ts';
import { OLDER_SESSION_SECONDS, type OlderSession } from '../older-sessions.ts';
import { type GuardedDoor, guardRules, usedSetText } from './nft-guard-rules.ts';
import { type Family, parseSetName, setName } from './nft-sets.ts';

const TABLE = 'inet knock_otp';
/** Cannot be a door's set: those begin with v4_ or v6_. */
const OLDER_SET = 'older';

/** Removes the table; no error when there is none. */
export const REMOVE_SCRIPT = `add table ${TABLE}\ndelete table ${TABLE}\n`;

/**
 * Replaces the table by a new one that lets `openings` in. One transaction: the kernel changes from the old rules to
 * the new ones between two packets.
 * @throws KnockError FIREWALL when a door cannot be guarded
 */
export function tableScript(
  doors: readonly GuardedDoor[],
  openings: readonly Opening[],
  older: readonly OlderSession[],
  loopbackToo: boolean,
): string {
  checkDoors(doors);
  if (doors.length === 0) return REMOVE_SCRIPT;
  const sets = doors.flatMap((door) => [setText(door, 4, openings), setText(door, 6, openings)]);
  const guard = [
    'type filter hook input priority filter - 10; policy accept;',
    ...(loopbackToo ? [] : ['iif lo accept']),
    // Not `related`: an attacker can make a conntrack helper (FTP, SIP) expect a connection to a port of his choice.
    // Packets that conntrack cannot place (ACK or FIN scans, untracked) are not established and meet the drops below.
    'ct state established accept',
    // The host's answer makes such a session established; for an ended session the answer is RST.
    `tcp flags & syn == 0 ip saddr . tcp sport . ip daddr . tcp dport @${OLDER_SET}4 accept`,
    `tcp flags & syn == 0 ip6 saddr . tcp sport . ip6 daddr . tcp dport @${OLDER_SET}6 accept`,
    ...guardRules(doors),
  ];
  const olderSets = ([4, 6] as const).map((family) => {
    const address = family === 4 ? 'ipv4_addr' : 'ipv6_addr';
    const type = `type ${address} . inet_service . ${address} . inet_service; flags timeout;`;
    return `set ${OLDER_SET}${family} { ${type}${elementsText(olderOf(older, family))} }`;
  });
  const allSets = [...sets, ...olderSets, ...usedSetText(doors)];
  return [REMOVE_SCRIPT, `table ${TABLE} {`, ...allSets, 'chain guard {', ...guard, '}', '}', ''].join('\n');
}

/** Adds sessions that are older than the table but were missing in the listing that it was built from. */
export function olderScript(older: readonly OlderSession[]): string {
  return ([4, 6] as const)
    .map((family) => ({ family, elements: olderOf(older, family) }))
    .filter(({ elements }) => elements.length > 0)
    .map(({ family, elements }) => `add element ${TABLE} ${OLDER_SET}${family} { ${elements.join(', ')} }\n`)
    .join('');
}

/**
 * Lets a source in until `durationMs` from now, whether it is in or not. Before Linux 6.12, `add` does not change the
 * end of an existing element, and deleting a missing element is an error. So: add, delete, add, in one transaction.
 */
export function openScript(door: string, source: AddressKey, durationMs: number): string {
  const element = `${elementOf(source)} timeout ${timeoutText(durationMs)}`;
  const set = setOf(door, source);
  return `${closeScript(door, source)}add element ${set} { ${element} }\n`;
}

/** Removes a source; the leading `add` prevents an error for a missing one. */
export function closeScript(door: string, source: AddressKey): string {
  const set = setOf(door, source);
  const address = elementOf(source);
  return `add element ${set} { ${address} timeout 60s }\ndelete element ${set} { ${address} }\n`;
}

/** Removes an opening; fails where there is none (any more). */
export function takeScript(door: string, source: AddressKey): string {
  return `delete element ${setOf(door, source)} { ${elementOf(source)} }\n`;
}

export const LIST_SCRIPT = `list table ${TABLE}\n`;

/**
 * The openings in the JSON output of LIST_SCRIPT, in whole seconds as nft counts; Infinity for an element without end.
 */
export function parseOpenings(json: string): readonly Opening[] {
  return entries(parseJson(json), 'nftables').flatMap((entry) => {
    const set = field(entry, 'set');
    const name = field(set, 'name');
    const parsed = typeof name === 'string' ? parseSetName(name) : undefined;
    if (parsed === undefined || field(set, 'elem') === undefined) return [];
    return entries(set, 'elem').map((element) => openingOf(parsed.door, element));
  });
}

function setText({ name, once }: GuardedDoor, family: Family, openings: readonly Opening[]): string {
  const elements = openings
    .filter((opening) => opening.door === name && isIpv4(opening.source) === (family === 4) && opening.remainingMs > 0)
    .map(({ source, remainingMs }) => `${elementOf(source)} timeout ${timeoutText(remainingMs)}`);
  const type = family === 4 ? 'ipv4_addr' : 'ipv6_addr';
  // `dynamic`: rules change the set as packets pass.
  const flags = once ? 'dynamic,timeout' : 'timeout';
  return `set ${setName(name, family)} { type ${type}; flags ${flags};${elementsText(elements)} }`;
}

function elementsText(elements: readonly string[]): string {
  return elements.length === 0 ? '' : ` elements = { ${[...new Set(elements)].join(', ')} };`;
}

function olderOf(older: readonly OlderSession[], family: Family): readonly string[] {
  const ofFamily = older.filter(
    ({ source, target }) => isIpv4(source) === (family === 4) && isIpv4(target) === (family === 4),
  );
  return ofFamily.map(
    ({ source, sourcePort, target, port }) =>
      `${elementOf(source)} . ${sourcePort} . ${elementOf(target)} . ${port} timeout ${OLDER_SESSION_SECONDS}s`,
  );
}

/** nft reads at most eight digits of seconds, three years. */
const MAX_TIMEOUT_SECONDS = 99_999_999;
/** In older kernels a timeout shorter than one kernel tick meant no timeout at all: open for ever. */
const MIN_TIMEOUT_MS = 100;

function timeoutText(durationMs: number): string {
  if (!(durationMs > 0)) throw new KnockError('FIREWALL', `cannot open for ${durationMs} ms`);
  const ms = Math.max(MIN_TIMEOUT_MS, Math.ceil(Math.min(durationMs, MAX_TIMEOUT_SECONDS * 1000)));
  return `${Math.floor(ms / 1000)}s${ms % 1000}ms`;
}

function setOf(door: string, source: AddressKey): string {
  return `${TABLE} ${setName(door, isIpv4(source) ? 4 : 6)}`;
}

function elementOf(source: AddressKey): string {
  return formatAddress(source);
}

function checkDoors(doors: readonly GuardedDoor[]): void {
  const names = new Set<string>();
  for (const { name, services } of doors) {
    const fault = !NAME_PATTERN.test(name)
      ? 'its name cannot name a set'
      : names.has(name)
        ? 'two doors have that name'
        : services.length === 0
          ? 'it has no service to guard'
          : services.some(({ port }) => !Number.isInteger(port) || port < 1 || port > 65535)
            ? 'a port is not from 1 to 65535'
            : services.some(({ protocol }) => protocol !== 'tcp' && protocol !== 'udp')
              ? 'a protocol is neither tcp nor udp'
              : undefined;
    if (fault !== undefined) throw new KnockError('FIREWALL', `cannot guard door "${name.slice(0, 64)}": ${fault}`);
    names.add(name);
  }
}

function openingOf(door: string, element: unknown): Opening {
  const timed = field(element, 'elem');
  const text = timed === undefined ? element : field(timed, 'val');
  const source = typeof text === 'string' ? addressKey(text) : undefined;
  if (source === undefined) throw unreadable('an element that is not an address');
  const seconds = field(timed, 'expires');
  // nft lists an element in its last second without `expires`, and an element without end without `timeout`.
  const ends = typeof field(timed, 'timeout') === 'number' || typeof seconds === 'number';
  return {
    door,
    source,
    remainingMs: ends ? (typeof seconds === 'number' ? seconds * 1000 : 0) : Number.POSITIVE_INFINITY,
  };
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw unreadable('text that is not JSON', error);
  }
}

function entries(value: unknown, key: string): readonly unknown[] {
  const list = field(value, key);
  if (!Array.isArray(list)) throw unreadable(`no list "${key}"`);
  return list;
}

function field(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
}

function unreadable(what: string, cause?: unknown): KnockError {
  return new KnockError(
    'FIREWALL',
    `cannot read nft's listing: it holds ${what}`,
    cause === undefined ? {} : { cause },
  );
}
