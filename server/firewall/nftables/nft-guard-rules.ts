/**
 * The nft rules that guard the services of doors, as text: which sources pass at a guarded port, and which grants a
 * packet uses up. Pure. `nft-script.ts` writes the table around these rules.
 *
 * At a door that opens once, the kernel removes the grant with the packet that uses it. So no second connection gets
 * in, even when the daemon is busy or dead. The used set keeps the conntrack id of that connection until the first
 * answer makes it established: before that, its SYN may be sent again, and more datagrams may follow the first.
 */
import type { Service } from '../../../shared/formats/profile-uri.ts';
import { type Family, setName } from './nft-sets.ts';

/** What the table needs to know of a door. */
export interface GuardedDoor {
  readonly name: string;
  readonly services: readonly Service[];
  /** A grant is for one new connection. */
  readonly once: boolean;
}

/** Cannot be a door's set: those begin with v4_ or v6_. */
const USED_SET = 'used';
/**
 * Linux gives up on an unanswered connection after 120 s (tcp_timeout_syn_sent), on an unanswered datagram after 30.
 */
const UNANSWERED_SECONDS = 120;
/** Large enough: each connection in the set has cost a knock. */
const USED_SET_SIZE = 65_536;

/** The set that {@link guardRules} needs; none where no door opens once. */
export function usedSetText(doors: readonly GuardedDoor[]): readonly string[] {
  if (!doors.some(({ once }) => once)) return [];
  return [`set ${USED_SET} { typeof ct id; size ${USED_SET_SIZE}; flags dynamic,timeout; }`];
}

/**
 * Rules for packets outside established connections: packets to guarded services are dropped unless their source is in.
 */
export function guardRules(doors: readonly GuardedDoor[]): readonly string[] {
  // A service of several doors is open to the sources of all their sets, so its rules cover all of them.
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
  /** A source with a lasting grant uses up no once-only grant. */
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
  // To conntrack a stray ACK or RST of an old connection is new too. So only a SYN may use the grant up.
  const opening = match.startsWith('tcp') ? ' tcp flags & (fin|syn|rst|ack) == syn' : '';
  const source = saddr(family);
  const remember = `add @${USED_SET} { ct id timeout ${UNANSWERED_SECONDS}s }`;
  return `${match}${opening} ct state new ${source} @${set} ${remember} delete @${set} { ${source} } accept`;
}

function saddr(family: Family): string {
  return family === 4 ? 'ip saddr' : 'ip6 saddr';
}
