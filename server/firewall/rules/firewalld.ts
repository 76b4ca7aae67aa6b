/**
 * Rule table for firewalld: a rich rule with a timeout lets a source in. The guard is the administrator's zones and
 * policies, which must not let strangers in (`strangers/passage.ts`). Our rules are recognized by their priority: it puts
 * them before the administrator's rules, and no administrator has a reason to choose the same number.
 *
 * Only the running configuration gets rules. firewalld ends each grant itself. A reload of firewalld removes all our
 * rules; `stands` notices that, and the next `prepare` adds them again. `firewall-cmd --runtime-to-permanent` saves a
 * rule without its end, and every reload would bring it back: `stands` notices the file, and `prepare` takes it out.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { addressKey, formatAddress, isIpv4 } from '../../../shared/address.ts';
import { KnockError } from '../../../shared/errors.ts';
import { NftProcess } from '../../nft/nft-process.ts';
import type { NftRunner } from '../../nft/nft-runner.ts';
import { outputOf, type ProgramAnswer, type RunProgram, runProgram } from '../../process/run-program.ts';
import { FirewalldJudge } from '../strangers/firewalld-judge.ts';
import type { OpenPlace } from '../strangers/iptables-judge.ts';
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
/** Between two checks of the sets too, while the rules stay as they are. */
const FULL_CHECK_MS = 15_000;
/** A rule this close to its end may be gone already, or still be there. */
const NEARLY_OVER_MS = 3000;
/** Of firewall-cmd, while firewalld does not run. */
const NOT_RUNNING = 252;
/** What firewalld loads at its start and at every reload. */
const SAVED_ZONES = '/etc/firewalld/zones';

export class FirewalldTable implements RuleTable {
  readonly kind = 'firewalld';
  readonly timed = true;
  readonly #run: RunProgram;
  readonly #judge: FirewalldJudge;
  #places: readonly string[] = [];
  #zones: readonly string[] = [];
  /** The rules of the kernel when they were last found right. */
  #layout: string | undefined;
  #checkedAt = Number.NEGATIVE_INFINITY;
  readonly #ends = new Map<string, number>();

  constructor(nft: NftRunner = new NftProcess(), run: RunProgram = runProgram) {
    this.#run = run;
    this.#judge = new FirewalldJudge(run, nft);
  }

  placesOf(door: Parameters<RuleTable['placesOf']>[0]): readonly string[] {
    return servicePlaces(this.kind, door);
  }

  async prepare(places: readonly string[], wanted: readonly WantedRule[]): Promise<void> {
    this.#places = places;
    this.#ends.clear();
    // First: also where firewalld does not run. A saved rule of ours never has a grant.
    const saved = zonesWithSavedRules();
    for (const zone of saved) await this.#unsave(zone);
    this.#zones = await this.#activeZones();
    await this.#check();
    const keep = new Set(wanted.map(ruleKey));
    const present = new Set<string>();
    // A reload loads saved rules into zones that have no interface too.
    for (const zone of new Set([...this.#zones, ...saved])) {
      for (const rule of await this.#present(zone)) {
        if (keep.has(ruleKey(rule)) && this.#zones.includes(zone)) present.add(`${zone} ${ruleKey(rule)}`);
        else await this.#remove(zone, rule);
      }
    }
    for (const rule of wanted) {
      await this.#add(
        rule,
        this.#zones.filter((zone) => present.has(`${zone} ${ruleKey(rule)}`)),
      );
    }
  }

  add(rule: WantedRule): Promise<void> {
    return this.#add(rule, this.#zones);
  }

  /** `present`: the zones that may have the rule. */
  async #add(rule: WantedRule, present: readonly string[]): Promise<void> {
    const timeout = `--timeout=${wholeSeconds(rule.remainingMs)}`;
    for (const zone of this.#zones) {
      // firewalld does not change the end of an existing rule. A SYN that is lost in between is sent again.
      if (present.includes(zone)) await this.#remove(zone, rule);
      await this.#cmd(`--zone=${zone}`, `--add-rich-rule=${richRule(rule)}`, timeout);
    }
    this.#ends.set(ruleKey(rule), performance.now() + rule.remainingMs);
  }

  async remove(rule: Rule): Promise<void> {
    this.#ends.delete(ruleKey(rule));
    for (const zone of this.#zones) await this.#remove(zone, rule);
  }

  async stands(): Promise<boolean> {
    if (zonesWithSavedRules().length > 0) return false;
    const layout = await this.#judge.layout();
    const now = performance.now();
    if (layout === this.#layout) {
      if (now - this.#checkedAt >= FULL_CHECK_MS) await this.#check();
      return true;
    }
    // firewall-cmd takes a quarter of a second: only after a change.
    const zones = await this.#activeZones();
    if (zones.join() !== this.#zones.join()) return false;
    await this.#check();
    for (const [key, end] of this.#ends) if (end + NEARLY_OVER_MS <= now) this.#ends.delete(key);
    const due = [...this.#ends].filter(([, end]) => end - now > NEARLY_OVER_MS).map(([key]) => key);
    for (const zone of zones) {
      const present = new Set((await this.#present(zone)).map(ruleKey));
      if (!due.every((key) => present.has(key))) return false;
      if ([...present].some((key) => !this.#ends.has(key))) return false;
    }
    this.#layout = layout;
    return true;
  }

  /** The guard is the administrator's. */
  async release(): Promise<void> {}

  /** @throws KnockError FIREWALL when firewalld lets strangers to one of our places, or when that cannot be told */
  async #check(): Promise<void> {
    const open = await this.#judge.opening(this.#places);
    if (open !== undefined) throw faultOf(open);
    this.#checkedAt = performance.now();
  }

  async #activeZones(): Promise<readonly string[]> {
    return parseZones(await this.#cmd('--get-default-zone'), await this.#cmd('--get-active-zones'));
  }

  /** Takes our rules out of what firewalld loads at a reload, by whatever of its programs can do that now. */
  async #unsave(zone: string): Promise<void> {
    const permanent = async (...args: readonly string[]): Promise<ProgramAnswer> => {
      const answer = await this.#run('firewall-cmd', ['--permanent', ...args]);
      return answer.status === NOT_RUNNING ? this.#run('firewall-offline-cmd', args) : answer;
    };
    const { output } = await permanent(`--zone=${zone}`, '--list-rich-rules');
    for (const rule of parseRichRules(output)) {
      await permanent(`--zone=${zone}`, `--remove-rich-rule=${richRule(rule)}`);
    }
    if (!zonesWithSavedRules().includes(zone)) return;
    throw new KnockError('FIREWALL', `firewalld has a saved rule of knock-otp in zone ${zone}`, {
      hint: `take the rule of priority ${PRIORITY} out of ${join(SAVED_ZONES, zone)}.xml, then: firewall-cmd --reload`,
    });
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

/** The zones whose file has a rule of ours. */
function zonesWithSavedRules(): readonly string[] {
  let names: readonly string[];
  try {
    names = readdirSync(SAVED_ZONES).filter((name) => name.endsWith('.xml'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  const ours = new RegExp(`<rule[^>]*\\spriority=["']${PRIORITY}["']`);
  return names
    .filter((name) => ours.test(readFileSync(join(SAVED_ZONES, name), 'utf8')))
    .map((name) => name.slice(0, -4));
}

function faultOf({ place, passage: { chain, certain, packet } }: OpenPlace): KnockError {
  const [, policy, name] =
    /^(?:filter_|nat_)?(?:IN|PRE)_(policy_)?(.+?)(?:_(?:pre|log|deny|allow|post))?$/.exec(chain) ?? [];
  const who = name === undefined ? `chain ${chain}` : `${policy === undefined ? 'zone' : 'policy'} ${name}`;
  const verb = packet.port === undefined ? 'leads everyone from another port to' : 'lets everyone to';
  const what = `${who} ${verb} ${place}`;
  const option = name === undefined ? '' : `${policy === undefined ? '--zone' : '--policy'}=${name} `;
  return new KnockError('FIREWALL', `firewalld guards nothing: ${certain ? what : `it is not clear whether ${what}`}`, {
    hint: `look at "firewall-cmd ${option}--list-all": remove what allows the port, or let it name the addresses that it is for`,
  });
}
