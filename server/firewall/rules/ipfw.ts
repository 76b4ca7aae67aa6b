/**
 * Rule table for ipfw (FreeBSD, ipfw(8)): our rules deny the ports to all sources that are not in a table of addresses.
 * Rule number 10 and the rule sets 28 and 29 are ours.
 *
 * Only packets that open a connection are denied, so established sessions live on without state. New rules are made in
 * the disabled set 28 and swapped with set 29 in one step. ipfw cannot expire addresses of a table: grants of a killed
 * daemon are removed at its next start.
 */
import { type AddressKey, addressKey, formatAddress } from '../../../shared/address.ts';
import { KnockError } from '../../../shared/errors.ts';
import { outputOf, type RunProgram, runProgram } from '../../process/run-program.ts';
import { type Rule, type RuleTable, serviceOf, servicePlaces, type WantedRule } from './rule-table.ts';

const RULE = '10';
const NEXT_SET = '28';
const SET = '29';
const TABLE_PATTERN = /^knock_(tcp|udp)_\d{1,5}$/;

export class IpfwTable implements RuleTable {
  readonly kind = 'ipfw';
  readonly timed = false;
  readonly #run: RunProgram;
  #layout = '';

  constructor(run: RunProgram = runProgram) {
    this.#run = run;
  }

  placesOf(door: Parameters<RuleTable['placesOf']>[0]): readonly string[] {
    return servicePlaces(this.kind, door);
  }

  async prepare(places: readonly string[], wanted: readonly WantedRule[]): Promise<void> {
    if (places.length === 0) return this.release();
    await this.#check();
    for (const place of places) {
      const sources = wanted.filter((rule) => rule.place === place).map(({ source }) => source);
      const present = await this.#members(place);
      if (present === undefined) await this.#ipfw('table', tableName(place), 'create', 'type', 'addr');
      for (const source of present ?? []) if (!sources.includes(source)) await this.remove({ place, source });
      for (const source of sources) if (present?.includes(source) !== true) await this.#add({ place, source });
    }
    await this.#run('ipfw', ['-q', 'delete', 'set', NEXT_SET]);
    await this.#ipfw('set', 'disable', NEXT_SET);
    for (const body of places.flatMap(ruleBodies)) await this.#ipfw('add', RULE, 'set', NEXT_SET, ...body);
    await this.#ipfw('set', 'swap', NEXT_SET, SET);
    await this.#run('ipfw', ['-q', 'delete', 'set', NEXT_SET]);
    await this.#destroyTables(places);
    this.#layout = await this.#listRules();
  }

  async add(rule: WantedRule): Promise<void> {
    if ((await this.#members(rule.place))?.includes(rule.source) !== true) await this.#add(rule);
  }

  async remove(rule: Rule): Promise<void> {
    if ((await this.#members(rule.place))?.includes(rule.source) !== true) return;
    await this.#ipfw('table', tableName(rule.place), 'delete', formatAddress(rule.source));
  }

  async stands(): Promise<boolean> {
    await this.#check();
    return (await this.#listRules()) === this.#layout;
  }

  async release(): Promise<void> {
    // The status is ignored: for a set without rules ipfw reports an error.
    await this.#run('ipfw', ['-q', 'delete', 'set', SET]);
    await this.#destroyTables([]);
  }

  async #add({ place, source }: Rule): Promise<void> {
    await this.#ipfw('table', tableName(place), 'add', formatAddress(source));
  }

  async #check(): Promise<void> {
    const enabled = await outputOf(this.#run, 'sysctl', ['-n', 'net.inet.ip.fw.enable']);
    if (enabled.trim() === '1') return;
    throw new KnockError('FIREWALL', 'ipfw guards nothing: it is disabled', { hint: 'sysctl net.inet.ip.fw.enable=1' });
  }

  #listRules(): Promise<string> {
    return outputOf(this.#run, 'ipfw', ['set', SET, 'list']);
  }

  /** Undefined when there is no such table. */
  async #members(place: string): Promise<readonly AddressKey[] | undefined> {
    const { status, output } = await this.#run('ipfw', ['table', tableName(place), 'list']);
    return status === 0 ? parseTable(output) : undefined;
  }

  async #destroyTables(places: readonly string[]): Promise<void> {
    const used = new Set(places.map(tableName));
    const { status, output } = await this.#run('ipfw', ['table', 'all', 'info']);
    if (status !== 0) return;
    for (const [, name = ''] of output.matchAll(/^--- table\(([^)]+)\)/gm)) {
      if (TABLE_PATTERN.test(name) && !used.has(name)) await this.#ipfw('table', name, 'destroy');
    }
  }

  async #ipfw(...args: readonly string[]): Promise<void> {
    await outputOf(this.#run, 'ipfw', ['-q', ...args]);
  }
}

/** One `192.0.2.7/32 0` on each line. */
export function parseTable(listing: string): readonly AddressKey[] {
  return listing.split('\n').flatMap((line) => addressKey(line.trim().split(/[\s/]/, 1)[0] ?? '') ?? []);
}

/** `me` stands for this host's IPv4 addresses, `me6` for its IPv6 addresses. */
function ruleBodies(place: string): readonly (readonly string[])[] {
  const { protocol, port } = serviceOf(place);
  const options = ['in', 'not', 'recv', 'lo0', ...(protocol === 'tcp' ? ['setup'] : [])];
  return ['me', 'me6'].map((own) => [
    'deny',
    protocol,
    'from',
    'not',
    `table(${tableName(place)})`,
    'to',
    own,
    `${port}`,
    ...options,
  ]);
}

function tableName(place: string): string {
  return `knock_${place.replace('/', '_')}`;
}
