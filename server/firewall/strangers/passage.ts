/**
 * Follows a stranger's packet through a firewall's chains, as the kernel does, and finds the rule that lets it in. Pure.
 * The packet begins a connection to a guarded port. It comes from nobody whom a rule names, over any interface but lo,
 * to any address of this host. `iptables-listing.ts` and `nft-listing.ts` read the chains.
 *
 * What we do not understand may let a packet in, and keeps none out. So a door that is shut can be reported as one of
 * which we cannot tell, and never the other way round.
 */
import { endsOf, type Family, goesTo, isMulticast, type Match } from './networks.ts';

export interface Stranger {
  readonly family: Family;
  readonly protocol: 'tcp' | 'udp';
  /** Undefined: any, as before an address translation that leads to a guarded port. */
  readonly port: number | undefined;
  readonly via: string;
  readonly target: string;
}

export type Verdict =
  | { readonly do: 'accept' | 'drop' | 'return' | 'next' | 'unclear' }
  | { readonly do: 'jump' | 'goto'; readonly chain: string };

export interface ChainRule {
  /** For people. */
  readonly text: string;
  readonly matches: (packet: Stranger) => Match;
  readonly verdict: Verdict;
}

export interface Chain {
  readonly rules: readonly ChainRule[];
  /** What happens to a packet at the end of a base chain. */
  readonly policy?: 'accept' | 'drop';
}

export interface Ruleset {
  readonly chains: ReadonlyMap<string, Chain>;
  /** The interfaces and the target networks that its rules name. */
  readonly interfaces: readonly string[];
  readonly targets: readonly string[];
}

/** How a stranger gets in. */
export interface Passage {
  /** The chain that lets it in. */
  readonly chain: string;
  /** The rule that decides: one that we do not understand, or the one that lets it in. */
  readonly rule: string;
  /** False where we do not understand the rule: it may let strangers in. */
  readonly certain: boolean;
  readonly packet: Stranger;
}

/** Which packets to follow. */
export interface Question {
  readonly family: Family;
  readonly protocol: 'tcp' | 'udp';
  readonly port: number | undefined;
  /** The addresses of this host, as text. */
  readonly own: readonly string[];
}

/** The first way through the base chain; undefined when it keeps every stranger out. */
export function findPassage(ruleset: Ruleset, base: string, question: Question): Passage | undefined {
  for (const via of interfacesOf(ruleset)) {
    for (const target of targetsOf(ruleset, question)) {
      const { family, protocol, port } = question;
      const passage = follow(ruleset, base, { family, protocol, port, via, target });
      if (passage !== undefined) return passage;
    }
  }
  return undefined;
}

interface Walk {
  readonly passage?: Passage;
  /** Whether a packet can leave the chain to the one that called it. */
  readonly returns: boolean;
}

function follow(ruleset: Ruleset, base: string, packet: Stranger): Passage | undefined {
  const known = new Map<string, Walk>();
  const walk = (name: string): Walk => {
    const before = known.get(name);
    if (before !== undefined) return before;
    const result = walkChain(name);
    known.set(name, result);
    return result;
  };
  const walkChain = (name: string): Walk => {
    let returns = false;
    for (const { text, matches, verdict } of ruleset.chains.get(name)?.rules ?? []) {
      const match = matches(packet);
      if (match === 'no' || verdict.do === 'next') continue;
      const passage = { chain: name, rule: text, certain: false, packet };
      if (verdict.do === 'unclear') return { passage, returns };
      if (verdict.do === 'accept') return { passage: { ...passage, certain: match !== 'unknown' }, returns };
      let goesOn = match !== 'yes';
      if (verdict.do === 'return') returns = true;
      if (verdict.do === 'jump' || verdict.do === 'goto') {
        // No chain: a target of the kernel that we do not know.
        if (!ruleset.chains.has(verdict.chain)) return { passage, returns };
        const inner = walk(verdict.chain);
        if (inner.passage !== undefined) {
          const unclear = { ...passage, chain: inner.passage.chain };
          return { passage: match === 'unknown' ? unclear : inner.passage, returns };
        }
        if (inner.returns && verdict.do === 'jump') goesOn = true;
        if (inner.returns && verdict.do === 'goto') returns = true;
      }
      if (!goesOn) return { returns };
    }
    return { returns: true };
  };
  const { passage, returns } = walk(base);
  if (passage !== undefined || !returns) return passage;
  const policy = ruleset.chains.get(base)?.policy;
  return policy === 'drop' ? undefined : { chain: base, rule: 'its policy', certain: policy === 'accept', packet };
}

/** One of each kind: those that a rule names, and one that no rule names. `eth+` stands for any name that begins so. */
function interfacesOf({ interfaces }: Ruleset): readonly string[] {
  const named = interfaces.map((name) => name.replace(/[+*]$/, '~')).filter((name) => name !== 'lo');
  return [...new Set([...named, '~any'])];
}

/** One of each kind: our own addresses, those that a rule names, and one that no rule names. */
function targetsOf({ targets }: Ruleset, { family, protocol, own }: Question): readonly string[] {
  const candidates =
    family === 4 ? ['203.0.113.77', '198.51.100.77', '192.0.2.77'] : ['2001:db8:77::77', '3fff:77::77', '100::77'];
  const unnamed = candidates.find((address) => targets.every((network) => goesTo(network, address) === 'no'));
  const all = [...own, ...targets.flatMap(endsOf), unnamed ?? candidates[0] ?? ''];
  const ofFamily = all.filter((address) => address.includes(':') === (family === 6));
  // No connection of TCP goes to a group.
  return [...new Set(ofFamily)].filter((address) => protocol === 'udp' || !isMulticast(address));
}
