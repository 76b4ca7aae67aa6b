/**
 * Rule table for pf (FreeBSD, OpenBSD, macOS; pfctl(8), pf.conf(5)): our anchor blocks the ports for all sources that
 * are not in a table. The administrator's pf.conf calls the anchor with the line `anchor "knock-otp"` before its own
 * rules.
 *
 * Only packets that open a connection are blocked: sessions live on by their state, and sessions older than pf are not
 * cut. pf cannot expire addresses of a table: grants of a killed daemon are removed at its next start.
 */
import { formatAddress } from '../../../shared/address.ts';
import { KnockError } from '../../../shared/errors.ts';
import { outputOf, type RunProgram, runProgram } from '../../process/run-program.ts';
import { type Rule, type RuleTable, serviceOf, servicePlaces, type WantedRule } from './rule-table.ts';

const ANCHOR = 'knock-otp';

export class PfTable implements RuleTable {
  readonly kind = 'pf';
  readonly timed = false;
  readonly #run: RunProgram;
  #places: readonly string[] = [];
  #layout = '';

  constructor(run: RunProgram = runProgram) {
    this.#run = run;
  }

  placesOf(door: Parameters<RuleTable['placesOf']>[0]): readonly string[] {
    return servicePlaces(this.kind, door);
  }

  async prepare(places: readonly string[], wanted: readonly WantedRule[]): Promise<void> {
    this.#places = places;
    if (places.length === 0) return this.release();
    await this.#check();
    // One transaction loads the rules and the tables.
    await this.#pfctl(['-a', ANCHOR, '-f', '-'], anchorText(places, wanted));
    this.#layout = await this.#pfctl(['-a', ANCHOR, '-s', 'rules']);
  }

  async add(rule: WantedRule): Promise<void> {
    await this.#pfctl(['-a', ANCHOR, '-t', tableName(rule.place), '-T', 'add', formatAddress(rule.source)]);
  }

  async remove(rule: Rule): Promise<void> {
    if (!this.#places.includes(rule.place)) return;
    await this.#pfctl(['-a', ANCHOR, '-t', tableName(rule.place), '-T', 'delete', formatAddress(rule.source)]);
  }

  async stands(): Promise<boolean> {
    await this.#check();
    return (await this.#pfctl(['-a', ANCHOR, '-s', 'rules'])) === this.#layout;
  }

  async release(): Promise<void> {
    await this.#pfctl(['-a', ANCHOR, '-F', 'rules']);
    await this.#pfctl(['-a', ANCHOR, '-F', 'Tables']);
  }

  async #check(): Promise<void> {
    if (!/^Status: Enabled\b/m.test(await this.#pfctl(['-s', 'info']))) {
      throw new KnockError('FIREWALL', 'pf guards nothing: it is disabled', {
        hint: 'pfctl -e, and pf_enable="YES" in rc.conf',
      });
    }
    const rules = (await this.#pfctl(['-s', 'rules'])).split('\n');
    const call = rules.findIndex((rule) => /^anchor "knock-otp" all\b/.test(rule));
    const hint = `write anchor "${ANCHOR}" before all rules of pf.conf, then: pfctl -f /etc/pf.conf`;
    if (call === -1) throw new KnockError('FIREWALL', 'pf guards nothing: its rules do not call our anchor', { hint });
    if (rules.slice(0, call).some((rule) => /^pass .*\bquick\b/.test(rule))) {
      throw new KnockError('FIREWALL', 'pf may guard nothing: a rule with quick comes before our anchor', { hint });
    }
  }

  #pfctl(args: readonly string[], input?: string): Promise<string> {
    return outputOf(this.#run, 'pfctl', ['-q', ...args], input === undefined ? {} : { input });
  }
}

/** The anchor as text for pfctl: a table and a rule for each place. */
export function anchorText(places: readonly string[], wanted: readonly WantedRule[]): string {
  const lines = places.flatMap((place) => {
    const { protocol, port } = serviceOf(place);
    const sources = wanted.filter((rule) => rule.place === place).map(({ source }) => formatAddress(source));
    const opening = protocol === 'tcp' ? ' flags S/SA' : '';
    return [
      `table <${tableName(place)}> persist { ${sources.join(', ')} }`,
      `block drop in quick on ! lo0 proto ${protocol} from ! <${tableName(place)}> to (self) port = ${port}${opening}`,
    ];
  });
  // pf.conf requires tables before rules.
  const tables = lines.filter((line) => line.startsWith('table'));
  return [...tables, ...lines.filter((line) => !line.startsWith('table')), ''].join('\n');
}

function tableName(place: string): string {
  return place.replace('/', '_');
}
