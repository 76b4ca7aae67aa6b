/**
 * Rule table for firewalld: a rich rule with a timeout lets a source in. The guard is the administrator's zone, which
 * must not allow the port. Our rules are recognized by their priority: it puts them before the administrator's rules,
 * and no administrator has a reason to choose the same number.
 *
 * Only the running configuration is changed. firewalld ends each grant itself. A reload of firewalld removes all our
 * rules; `stands` notices that, and the next `prepare` adds them again.
 */
import { addressKey, formatAddress, isIpv4 } from '../../../shared/address.ts';
import { KnockError } from '../../../shared/errors.ts';
import { outputOf, type RunProgram, runProgram } from '../../process/run-program.ts';
import {
  type Rule,
  type RuleTable,
  ruleKey,
  serviceOf,
  servicePlaces,
  type WantedRule,
  wholeSeconds,
} from './rule-table.ts';

const PRIORITY = '-7077';
/** Between two full checks: firewall-cmd takes a quarter of a second, too much for every second. */
const FULL_CHECK_MS = 15_000;
/** A rule this close to its end may be gone already. */
const NEARLY_OVER_MS = 3000;

export class FirewalldTable implements RuleTable {
  readonly kind = 'firewalld';
  readonly timed = true;
  readonly #run: RunProgram;
  #places: readonly string[] = [];
  #zones: readonly string[] = [];
  #checkedAt = Number.NEGATIVE_INFINITY;
  readonly #ends = new Map<string, number>();

  constructor(run: RunProgram = runProgram) {
    this.#run = run;
  }

  placesOf(door: Parameters<RuleTable['placesOf']>[0]): readonly string[] {
    return servicePlaces(this.kind, door);
  }

  async prepare(places: readonly string[], wanted: readonly WantedRule[]): Promise<void> {
    this.#places = places;
    this.#ends.clear();
    this.#zones = parseZones(await this.#cmd('--get-default-zone'), await this.#cmd('--get-active-zones'));
    await this.#check();
    const keep = new Set(wanted.map(ruleKey));
    for (const zone of this.#zones) {
      for (const rule of await this.#present(zone)) if (!keep.has(ruleKey(rule))) await this.#remove(zone, rule);
    }
    for (const rule of wanted) await this.add(rule);
  }

  async add(rule: WantedRule): Promise<void> {
    const timeout = `--timeout=${wholeSeconds(rule.remainingMs)}`;
    for (const zone of this.#zones) {
      // firewalld does not change the end of an existing rule. A SYN that is lost in between is sent again.
      await this.#remove(zone, rule);
      await this.#cmd(`--zone=${zone}`, `--add-rich-rule=${richRule(rule)}`, timeout);
    }
    this.#ends.set(ruleKey(rule), performance.now() + rule.remainingMs);
  }

  async remove(rule: Rule): Promise<void> {
    this.#ends.delete(ruleKey(rule));
    for (const zone of this.#zones) await this.#remove(zone, rule);
  }

  async stands(): Promise<boolean> {
    const now = performance.now();
    if (now - this.#checkedAt < FULL_CHECK_MS) return true;
    const zones = parseZones(await this.#cmd('--get-default-zone'), await this.#cmd('--get-active-zones'));
    if (zones.join() !== this.#zones.join()) return false;
    await this.#check();
    for (const [key, end] of this.#ends) if (end <= now) this.#ends.delete(key);
    const due = [...this.#ends].filter(([, end]) => end - now > NEARLY_OVER_MS).map(([key]) => key);
    for (const zone of zones) {
      const present = new Set((await this.#present(zone)).map(ruleKey));
      if (!due.every((key) => present.has(key))) return false;
    }
    return true;
  }

  /** The guard is the administrator's. */
  async release(): Promise<void> {}

  /** @throws KnockError FIREWALL when firewalld does not run, or a zone allows everyone to one of our places */
  async #check(): Promise<void> {
    for (const zone of this.#zones) {
      const { target, ports, services } = parseZone(await this.#cmd(`--zone=${zone}`, '--list-all'));
      const open: string[] = [...ports];
      // A service that has no port, or no longer exists, opens none.
      for (const service of services) {
        const { status, output } = await this.#run('firewall-cmd', [`--info-service=${service}`]);
        if (status === 0) open.push(...parseZone(output).ports);
      }
      const exposed = this.#places.find(
        (place) => target === 'ACCEPT' || open.some((range) => coversPlace(range, place)),
      );
      if (exposed !== undefined) {
        throw new KnockError('FIREWALL', `firewalld guards nothing: zone ${zone} lets everyone to ${exposed}`, {
          hint: `firewall-cmd --permanent --zone=${zone} --remove-service=... or --remove-port=${exposed.split('/').reverse().join('/')}, then --reload`,
        });
      }
    }
    this.#checkedAt = performance.now();
  }

  async #present(zone: string): Promise<readonly Rule[]> {
    return parseRichRules(await this.#cmd(`--zone=${zone}`, '--list-rich-rules'));
  }

  /** A missing rule gives a warning and status 0; older versions have a status for it. */
  async #remove(zone: string, rule: Rule): Promise<void> {
    const args = [`--zone=${zone}`, `--remove-rich-rule=${richRule(rule)}`];
    const { status, output, words } = await this.#run('firewall-cmd', args);
    if (status === 0 || /NOT_ENABLED/.test(output + words)) return;
    await this.#cmd(...args);
  }

  #cmd(...args: readonly string[]): Promise<string> {
    return outputOf(this.#run, 'firewall-cmd', args, { hint: 'is firewalld running? try "firewall-cmd --state"' });
  }
}

export function richRule({ place, source }: Rule): string {
  const { protocol, port } = serviceOf(place);
  const family = isIpv4(source) ? 'ipv4' : 'ipv6';
  const from = `source address="${formatAddress(source)}"`;
  return `rule priority="${PRIORITY}" family="${family}" ${from} port port="${port}" protocol="${protocol}" accept`;
}

/** Our rules in the output of --list-rich-rules. */
export function parseRichRules(listing: string): readonly Rule[] {
  return listing.split('\n').flatMap((line) => {
    const [, priority, address = '', port = '', protocol = ''] =
      /^rule priority="(-?\d+)" family="ipv[46]" source address="([^"]+)" port port="(\d+)" protocol="(tcp|udp)" accept$/.exec(
        line.trim(),
      ) ?? [];
    const source = addressKey(address);
    return priority === PRIORITY && source !== undefined ? [{ place: `${protocol}/${port}`, source }] : [];
  });
}

/** The default zone, which has every interface without a zone of its own, and all zones that have interfaces. */
export function parseZones(byDefault: string, active: string): readonly string[] {
  const zones = new Set([byDefault.trim()]);
  let zone = '';
  for (const line of active.split('\n')) {
    if (/^\S/.test(line)) zone = line.split(/\s/, 1)[0] ?? '';
    else if (/^\s+interfaces:\s*\S/.test(line)) zones.add(zone);
  }
  return [...zones].filter((name) => /^[\w-]+$/.test(name)).sort();
}

/** Parses the output of --list-all and --info-service. */
function parseZone(text: string): { target: string; ports: readonly string[]; services: readonly string[] } {
  const words = (key: string) =>
    (new RegExp(`^  ${key}:(.*)$`, 'm').exec(text)?.[1] ?? '').split(/\s+/).filter((word) => word !== '');
  return { target: words('target')[0] ?? '', ports: words('ports'), services: words('services') };
}

/** `range` as `22/tcp` or `20-30/tcp`. */
function coversPlace(range: string, place: string): boolean {
  const { protocol, port } = serviceOf(place);
  const [ports = '', of] = range.split('/');
  const [from = '', to = from] = ports.split('-');
  return of === protocol && port >= Number(from) && port <= Number(to);
}
