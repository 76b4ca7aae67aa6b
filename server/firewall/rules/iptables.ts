/**
 * Rule table for iptables and ip6tables, of either flavour (nf_tables or legacy): our own chain guards the ports. This
 * file loads and removes sets and chains; `iptables-script.ts` writes their text.
 *
 * No rule of the host is changed: our chain is called once, before all others. When the daemon dies, the chain stays:
 * ports stay shut, and grants end by themselves where the kernel has ipset or the time match.
 */
import { existsSync, readFileSync } from 'node:fs';
import { formatAddress } from '../../../shared/address.ts';
import { outputOf, type RunProgram, runProgram } from '../../process/run-program.ts';
import { olderSessions } from '../older-sessions.ts';
import { families } from '../strangers/iptables-judge.ts';
import {
  CHAIN,
  type ChainParts,
  chainScript,
  type EndingRule,
  type EndingSession,
  endOfOlder,
  type Family,
  familyOf,
  type IptablesMode,
  isOurSet,
  readHooks,
  removeScript,
  setName,
  setsScript,
} from './iptables-script.ts';
import {
  type Rule,
  type RuleTable,
  ruleKey,
  serviceOf,
  servicePlaces,
  type WantedRule,
  wholeSeconds,
} from './rule-table.ts';

export interface IptablesOptions {
  /** Also guards connections over `lo`. */
  readonly guardLoopback?: boolean;
  /** Which of two installed flavours; default: the flavour of `iptables` on this machine. */
  readonly flavour?: 'nft' | 'legacy';
  /** The ways to store grants, in the order to try them; default all, best first. */
  readonly modes?: readonly IptablesMode[];
}

/** Seconds to wait while another program holds the iptables lock. */
const LOCK_SECONDS = '5';
/** The most older sessions that get a rule: every packet of a new connection passes these rules one by one. */
const MAX_OLDER = 1024;

export class IptablesTable implements RuleTable {
  readonly kind = 'iptables';
  readonly #run: RunProgram = runProgram;
  readonly #loopbackToo: boolean;
  readonly #suffix: string;
  readonly #modes: readonly IptablesMode[];
  #mode: IptablesMode = 'rules';
  #places: readonly string[] = [];
  #older: readonly EndingSession[] = [];
  readonly #rules = new Map<string, EndingRule>();
  /** Our chain as the kernel listed it after the last load, for each family. */
  readonly #layouts = new Map<Family, string>();

  constructor(options: IptablesOptions = {}) {
    this.#loopbackToo = options.guardLoopback ?? false;
    this.#suffix = options.flavour === undefined ? '' : `-${options.flavour}`;
    this.#modes = options.modes ?? ['sets', 'timed rules', 'rules'];
  }

  get timed(): boolean {
    return this.#mode !== 'rules';
  }

  placesOf(door: Parameters<RuleTable['placesOf']>[0]): readonly string[] {
    return servicePlaces(this.kind, door);
  }

  async prepare(places: readonly string[], wanted: readonly WantedRule[]): Promise<void> {
    this.#places = places;
    if (places.length === 0) return this.release();
    const ports = new Set(places.map(serviceOf).flatMap(({ protocol, port }) => (protocol === 'tcp' ? [port] : [])));
    const endsAt = endOfOlder(Date.now());
    this.#older = (await olderSessions(ports)).slice(0, MAX_OLDER).map((session) => ({ ...session, endsAt }));
    this.#rules.clear();
    for (const rule of wanted) this.#rules.set(ruleKey(rule), { ...rule, endsAt: Date.now() + rule.remainingMs });
    const modes = (await this.#hasIpset()) ? this.#modes : this.#modes.filter((mode) => mode !== 'sets');
    for (const mode of modes) {
      try {
        this.#mode = mode;
        for (const family of families()) {
          // Sets first: the kernel refuses rules that name a missing set. The old rules admit no other source by these
          // sets.
          if (mode === 'sets') await this.#ipset(['-exist', 'restore'], setsScript(family, places, wanted));
          await this.#load(family);
        }
        break;
      } catch (error) {
        if (mode === modes.at(-1)) throw error;
      }
    }
    await this.#destroySets(this.#mode === 'sets' ? places : []);
  }

  async add(rule: WantedRule): Promise<void> {
    this.#rules.set(ruleKey(rule), { ...rule, endsAt: Date.now() + rule.remainingMs });
    if (this.#mode !== 'sets') return this.#load(familyOf(rule));
    const element = [setName(rule.place, familyOf(rule)), formatAddress(rule.source)];
    await this.#ipset(['-exist', 'add', ...element, 'timeout', `${wholeSeconds(rule.remainingMs)}`]);
  }

  async remove(rule: Rule): Promise<void> {
    const known = this.#rules.delete(ruleKey(rule));
    if (!this.#places.includes(rule.place)) return;
    if (this.#mode === 'sets') {
      await this.#ipset(['-exist', 'del', setName(rule.place, familyOf(rule)), formatAddress(rule.source)]);
    } else if (known) await this.#load(familyOf(rule));
  }

  async stands(): Promise<boolean> {
    for (const family of families()) {
      const { first } = readHooks(await this.#list(family, 'INPUT'));
      if (!first || (await this.#list(family, CHAIN)) !== this.#layouts.get(family)) return false;
    }
    return true;
  }

  async release(): Promise<void> {
    this.#rules.clear();
    this.#layouts.clear();
    const legacy = await this.#isLegacy();
    for (const family of families()) {
      // A mere query would load the legacy tables into a kernel that works without them.
      if (legacy && !hasLegacyFilter(family)) continue;
      const { status } = await this.#run(this.#program(family), ['-w', LOCK_SECONDS, '-S', CHAIN]);
      if (status !== 0) continue;
      await this.#restore(family, removeScript(readHooks(await this.#list(family, 'INPUT')).jumps));
    }
    // Here too a query would load the module. Without the module there are no sets of ours.
    if (existsSync('/sys/module/ip_set')) await this.#destroySets([]);
  }

  async #load(family: Family): Promise<void> {
    const now = Date.now();
    for (const [key, { endsAt }] of this.#rules) if (this.timed && endsAt <= now) this.#rules.delete(key);
    this.#older = this.#older.filter(({ endsAt }) => endsAt > now);
    const { jumps } = readHooks(await this.#list(family, 'INPUT'));
    const parts: ChainParts = {
      mode: this.#mode,
      places: this.#places,
      rules: [...this.#rules.values()],
      older: this.#older,
      loopbackToo: this.#loopbackToo,
    };
    await this.#restore(family, chainScript(family, parts, jumps));
    this.#layouts.set(family, await this.#list(family, CHAIN));
  }

  async #restore(family: Family, script: string): Promise<void> {
    const program = `${this.#program(family)}-restore`;
    await outputOf(this.#run, program, ['--noflush', '-w', LOCK_SECONDS], { input: script });
  }

  #list(family: Family, chain: string): Promise<string> {
    return outputOf(this.#run, this.#program(family), ['-w', LOCK_SECONDS, '-S', chain]);
  }

  #program(family: Family): string {
    return `${family === 4 ? 'iptables' : 'ip6tables'}${this.#suffix}`;
  }

  async #isLegacy(): Promise<boolean> {
    return !(await outputOf(this.#run, this.#program(4), ['--version'])).includes('nf_tables');
  }

  async #hasIpset(): Promise<boolean> {
    if (!this.#modes.includes('sets')) return false;
    return this.#run('ipset', ['list', '-n']).then(
      ({ status }) => status === 0,
      () => false,
    );
  }

  async #ipset(args: readonly string[], input?: string): Promise<void> {
    await outputOf(this.#run, 'ipset', args, input === undefined ? {} : { input });
  }

  /** Removes our sets that none of these places uses, except those that a rule still refers to. */
  async #destroySets(places: readonly string[]): Promise<void> {
    if (!(await this.#hasIpset())) return;
    const used = new Set(places.flatMap((place) => [setName(place, 4), setName(place, 6)]));
    const names = (await outputOf(this.#run, 'ipset', ['list', '-n'])).split('\n');
    for (const name of names) if (isOurSet(name) && !used.has(name)) await this.#run('ipset', ['destroy', name]);
  }
}

function hasLegacyFilter(family: Family): boolean {
  try {
    return readFileSync(`/proc/net/ip${family === 4 ? '' : '6'}_tables_names`, 'utf8').includes('filter');
  } catch {
    return false;
  }
}
