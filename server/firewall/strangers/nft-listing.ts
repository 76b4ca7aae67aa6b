/**
 * Reads nft's JSON listing of one table as chains of rules for `passage.ts`. Pure. `nft-matches.ts` reads the
 * conditions.
 */

import { allOf, type Match } from './networks.ts';
import { isRecord, type NftSets, namesOf, readCondition } from './nft-matches.ts';
import type { Chain, ChainRule, Ruleset, Stranger, Verdict } from './passage.ts';

/** A base chain and its place in the packet's way: `input`, `prerouting`. */
export interface Hook {
  readonly chain: string;
  readonly type: string;
  readonly hook: string;
}

export interface NftTable {
  readonly hooks: readonly Hook[];
  /** For base chains that filter. */
  readonly filter: Ruleset;
  /**
   * For base chains that translate addresses: a packet passes when it is led to this port of this host from another one.
   */
  leadingTo(port: number, own: readonly string[]): Ruleset;
}

/** How the statement that ends a rule is read. */
type ReadVerdict = (key: string, value: unknown) => Verdict | undefined;

interface RawRule {
  readonly chain: string;
  readonly expr: readonly unknown[];
}

/** @throws Error when the listing is not JSON */
export function readNftTable(json: string): NftTable {
  const parsed: unknown = JSON.parse(json);
  const objects = isRecord(parsed) && Array.isArray(parsed['nftables']) ? parsed['nftables'] : [];
  const hooks: (Hook & { readonly policy: 'accept' | 'drop' })[] = [];
  const names: string[] = [];
  const rules: RawRule[] = [];
  const sets: NftSets = new Map();
  for (const object of objects) {
    if (!isRecord(object)) continue;
    const { chain, rule, set } = object;
    if (isRecord(chain)) {
      names.push(`${chain['name']}`);
      if (typeof chain['hook'] !== 'string') continue;
      const policy = chain['policy'] === 'drop' ? 'drop' : 'accept';
      hooks.push({ chain: `${chain['name']}`, type: `${chain['type']}`, hook: chain['hook'], policy });
    } else if (isRecord(rule)) {
      rules.push({ chain: `${rule['chain']}`, expr: Array.isArray(rule['expr']) ? rule['expr'] : [undefined] });
    } else if (isRecord(set)) {
      sets.set(`${set['name']}`, Array.isArray(set['elem']) ? set['elem'] : []);
    }
  }
  const rulesetOf = (read: ReadVerdict, translates: boolean): Ruleset => {
    const chains = new Map<string, { rules: ChainRule[] } & Chain>(names.map((name) => [name, { rules: [] }]));
    for (const { chain, policy } of hooks) chains.set(chain, { rules: [], policy: translates ? 'drop' : policy });
    for (const { chain, expr } of rules) chains.get(chain)?.rules.push(...readRule(expr, sets, read));
    return {
      chains,
      ...namesOf(
        rules.flatMap(({ expr }) => expr),
        sets,
      ),
    };
  };
  return {
    hooks,
    filter: rulesetOf(readVerdict, false),
    leadingTo: (port, own) => rulesetOf((key, value) => readTranslation(key, value, port, own), true),
  };
}

/** Statements that note or change something, and let the packet go on. */
const NOTES = new Set(
  'log counter mangle set map notrack meter last dup flow ct_helper ct_timeout ct_expectation secmark continue'.split(
    ' ',
  ),
);

/** A rule of ours for each rule, or for each element of its verdict map. */
function readRule(expr: readonly unknown[], sets: NftSets, read: ReadVerdict): readonly ChainRule[] {
  const conditions: ((packet: Stranger) => Match)[] = [];
  const text = JSON.stringify(expr);
  const ruleOf = (verdict: Verdict, further: typeof conditions = []): ChainRule => {
    const all = [...conditions, ...further];
    return { text, verdict, matches: (packet) => allOf(all.map((matches) => matches(packet))) };
  };
  for (const statement of expr) {
    const [key = '', value] = isRecord(statement) ? (Object.entries(statement)[0] ?? []) : [];
    const verdict = read(key, value);
    if (verdict !== undefined) return [ruleOf(verdict)];
    if (key === 'match') conditions.push(readCondition(value, sets));
    else if (key === 'limit') conditions.push(() => 'maybe');
    else if (key === 'vmap') return readVerdictMap(value, sets, read, ruleOf);
    else if (!NOTES.has(key.replace(' ', '_'))) return [ruleOf({ do: 'unclear' })];
  }
  return [];
}

function readVerdictMap(
  value: unknown,
  sets: NftSets,
  read: ReadVerdict,
  ruleOf: (verdict: Verdict, further?: ((packet: Stranger) => Match)[]) => ChainRule,
): readonly ChainRule[] {
  const data = isRecord(value) && isRecord(value['data']) ? value['data']['set'] : undefined;
  if (!isRecord(value) || !Array.isArray(data)) return [ruleOf({ do: 'unclear' })];
  return data.map((pair) => {
    const [element, statement] = Array.isArray(pair) ? pair : [];
    const [key = '', target] = isRecord(statement) ? (Object.entries(statement)[0] ?? []) : [];
    const verdict = key === 'continue' ? { do: 'next' as const } : (read(key, target) ?? { do: 'unclear' as const });
    return ruleOf(verdict, [readCondition({ op: '==', left: value['key'], right: element }, sets)]);
  });
}

function readVerdict(key: string, value: unknown): Verdict | undefined {
  switch (key) {
    case 'accept':
    case 'drop':
    case 'return':
      return { do: key };
    case 'reject':
      return { do: 'drop' };
    case 'jump':
    case 'goto':
      return { do: key, chain: isRecord(value) ? `${value['target']}` : '' };
    default:
      return undefined;
  }
}

/** A packet that stays as it is meets the chains that filter, of which another question asks. */
function readTranslation(key: string, value: unknown, port: number, own: readonly string[]): Verdict | undefined {
  if (key === 'redirect' || key === 'dnat') {
    const { addr, port: to } = isRecord(value) ? value : {};
    const elsewhere = typeof addr === 'string' && !own.includes(addr);
    return { do: elsewhere || (typeof to === 'number' && to !== port) ? 'drop' : 'accept' };
  }
  return key === 'accept' || key === 'masquerade' || key === 'snat' ? { do: 'drop' } : readVerdict(key, value);
}
