/**
 * Rule table for ufw: an allow rule before all others lets a source in. The guard is the administrator's default
 * policy, which must deny, and no rule may let strangers in (`strangers/passage.ts`). Our rules carry the comment
 * `knock-otp DOOR`. A rule of the same meaning without that comment is the administrator's: it is neither added again
 * nor deleted.
 *
 * ufw keeps its rules over a reboot: grants of a killed daemon are removed at its next start.
 */
import { readFile } from 'node:fs/promises';
import { type AddressKey, addressKey, formatAddress } from '../../../shared/address.ts';
import { KnockError } from '../../../shared/errors.ts';
import { cleanWords } from '../../process/program-search-path.ts';
import { outputOf, type RunProgram, runProgram } from '../../process/run-program.ts';
import { iptablesOpening } from '../strangers/iptables-judge.ts';
import { type Rule, type RuleTable, ruleKey, serviceOf, servicePlaces, type WantedRule } from './rule-table.ts';

const MARK = 'knock-otp';
export class UfwTable implements RuleTable {
  readonly kind = 'ufw';
  readonly timed = false;
  readonly #run: RunProgram;
  #places: readonly string[] = [];

  constructor(run: RunProgram = runProgram) {
    this.#run = run;
  }

  placesOf(door: Parameters<RuleTable['placesOf']>[0]): readonly string[] {
    return servicePlaces(this.kind, door);
  }

  async prepare(places: readonly string[], wanted: readonly WantedRule[]): Promise<void> {
    this.#places = places;
    const { ours } = await this.#added();
    if (places.length > 0) await this.#check();
    const keep = new Set(wanted.map(ruleKey));
    for (const rule of ours) if (!keep.has(ruleKey(rule))) await this.#delete(rule);
    for (const rule of wanted) await this.add(rule);
  }

  async add(rule: WantedRule): Promise<void> {
    const { ours, foreign } = await this.#added();
    const key = ruleKey(rule);
    if ([...ours, ...foreign].some((present) => ruleKey(present) === key)) return;
    const words = ['allow', ...matchOf(rule), 'comment', `${MARK} ${rule.door}`];
    // ufw refuses `insert 1` while there is no rule of the family; versions before 0.36 have no `prepend`.
    const { status } = await this.#run('ufw', ['prepend', ...words]);
    if (status !== 0) await outputOf(this.#run, 'ufw', ['insert', '1', ...words], { hint: 'check with "ufw status"' });
  }

  async remove(rule: Rule): Promise<void> {
    const { ours } = await this.#added();
    if (ours.some((present) => ruleKey(present) === ruleKey(rule))) await this.#delete(rule);
  }

  async stands(): Promise<boolean> {
    const [settings, defaults] = await Promise.all([
      readFile('/etc/ufw/ufw.conf', 'utf8'),
      readFile('/etc/default/ufw', 'utf8'),
    ]);
    if (!/^ENABLED="?yes"?\s*$/im.test(settings)) return false;
    if (!/^DEFAULT_INPUT_POLICY="?(DROP|REJECT)"?\s*$/im.test(defaults)) return false;
    await this.#checkRules();
    return true;
  }

  /** The guard is the administrator's. */
  async release(): Promise<void> {}

  async #check(): Promise<void> {
    const fault = findFault(await outputOf(this.#run, 'ufw', ['status', 'verbose']));
    if (fault !== undefined)
      throw new KnockError('FIREWALL', `ufw guards nothing: ${fault.what}`, { hint: fault.hint });
    await this.#checkRules();
  }

  /** By the rules that the kernel has: what `ufw status` prints leaves out rules of /etc/ufw/before.rules and others. */
  async #checkRules(): Promise<void> {
    const open = await iptablesOpening(this.#run, this.#places);
    if (open === undefined) return;
    const { certain, rule } = open.passage;
    const what = `${open.place} is allowed for everyone`;
    throw new KnockError(
      'FIREWALL',
      `ufw guards nothing: ${certain ? what : `it is not clear whether ${what}`} (${cleanWords(rule)})`,
      {
        hint: 'delete that rule ("ufw status numbered", "ufw delete NUMBER"), or let it name the addresses that it is for: "from 192.0.2.0/24"',
      },
    );
  }

  async #delete(rule: Rule): Promise<void> {
    await outputOf(this.#run, 'ufw', ['delete', 'allow', ...matchOf(rule)]);
  }

  async #added(): Promise<Added> {
    return parseAdded(await outputOf(this.#run, 'ufw', ['show', 'added']));
  }
}

function matchOf({ place, source }: Rule): readonly string[] {
  const { protocol, port } = serviceOf(place);
  return ['proto', protocol, 'from', formatAddress(source), 'to', 'any', 'port', `${port}`];
}

interface Added {
  readonly ours: readonly Rule[];
  /** Rules of the same form without our mark. */
  readonly foreign: readonly Rule[];
}

/** The rules in the output of `ufw show added` that have the form of ours. */
export function parseAdded(listing: string): Added {
  const ours: Rule[] = [];
  const foreign: Rule[] = [];
  for (const line of listing.split('\n')) {
    const [, from = '', port = '', protocol = '', comment] =
      /^ufw allow from (\S+) to any port (\d+) proto (tcp|udp)(?: comment '(.*)')?$/.exec(line) ?? [];
    const source: AddressKey | undefined = addressKey(from);
    if (source === undefined) continue;
    (comment?.startsWith(`${MARK} `) ? ours : foreign).push({ place: `${protocol}/${port}`, source });
  }
  return { ours, foreign };
}

/** The reason in `ufw status verbose` why ufw guards nothing at all. */
export function findFault(status: string): { readonly what: string; readonly hint: string } | undefined {
  if (!/^Status: active$/m.test(status))
    return { what: 'it is not active', hint: 'allow yourself in, then: ufw enable' };
  if (!/^Default: (deny|reject) \(incoming\)/m.test(status)) {
    return { what: 'incoming traffic is allowed by default', hint: 'ufw default deny incoming' };
  }
  return undefined;
}
