/**
 * The rules that guard the services of doors, as text. Pure. Knows who passes at a guarded port and what passing costs;
 * the table around the rules is nft-script's.
 *
 * A door that opens once takes its grant back in the kernel, with the packet that uses it: no second connection can come
 * between, however busy the daemon is, or dead. The connection that used it is remembered by conntrack's id of it until
 * the first answer makes it an established one, for its SYN may be sent again before, and datagrams follow each other.
 */
import type { Service } from '../../../shared/formats/profile-uri.ts';
import { type Family, setName } from './nft-sets.ts';

/** A door as the table guards it. */
export interface GuardedDoor {
  readonly name: string;
  readonly services: readonly Service[];
  /** A grant is for one new connection. */
  readonly once: boolean;
}

/** No name of a door's set: those begin with v4_ or v6_. */
const USED_SET = 'used';
/** Linux gives up on a connection without an answer after 120 s (tcp_timeout_syn_sent), on a datagram's after 30. */
const UNANSWERED_SECONDS = 120;
/** Each connection in it has cost a knock. */
const USED_SET_SIZE = 65_536;

/** The set that {@link guardRules} counts on; none where no door opens once. */
export function usedSetText(doors: readonly GuardedDoor[]): readonly string[] {
  if (!doors.some(({ once }) => once)) return [];
  return [`set ${USED_SET} { typeof ct id; size ${USED_SET_SIZE}; flags dynamic,timeout; }`];
}

/** For packets that belong to no established connection: those of guarded services that are not let in are dropped. */
export function guardRules(doors: readonly GuardedDoor[]): readonly string[] {
  // A service of several doors is open to whoever is in one of their sets, so each service has its rules for all of them.
  const doorsOf = new Map<string, Map<string, GuardedDoor>>();
  for (const door of doors) {
    for (const { protocol, port } of door.services) {
      const match = `${protocol} dport ${port}`;
      const present = doorsOf.get(match) ?? new Map<string, GuardedDoor>();
      doorsOf.set(match, present.set(door.name, door));
    }
  }
  const rules = [...doorsOf].flatMap(([match, owners]) => serviceRules(match, [...owners.values()]));
  return doors.some(({ once }) => once) ? [`ct id @${USED_SET} accept`, ...rules] : rules;
}

function serviceRules(match: string, owners: readonly GuardedDoor[]): readonly string[] {
  const families = [4, 6] as const;
  const lasting = owners.filter(({ once }) => !once);
  /** Whoever is let in by a lasting grant uses none up. */
  const outside = (family: Family): string =>
    lasting.map(({ name }) => ` ${saddr(family)} != @${setName(name, family)}`).join('');
  const passing = owners
    .filter(({ once }) => once)
    .flatMap(({ name }) =>
      families.map((family) => onceRule(`${match}${outside(family)}`, setName(name, family), family)),
    );
  const dropping =
    lasting.length === 0 ? [`${match} drop`] : families.map((family) => `${match}${outside(family)} drop`);
  return [...passing, ...dropping];
}

function onceRule(match: string, set: string, family: Family): string {
  // A stray ACK or RST of an old connection is new to conntrack too: only what opens a connection may use the grant up.
  const opening = match.startsWith('tcp') ? ' tcp flags & (fin|syn|rst|ack) == syn' : '';
  const source = saddr(family);
  const remember = `add @${USED_SET} { ct id timeout ${UNANSWERED_SECONDS}s }`;
  return `${match}${opening} ct state new ${source} @${set} ${remember} delete @${set} { ${source} } accept`;
}

function saddr(family: Family): string {
  return family === 4 ? 'ip saddr' : 'ip6 saddr';
}
