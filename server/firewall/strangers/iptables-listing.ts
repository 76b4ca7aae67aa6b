/** Reads the output of `iptables -S` or `ip6tables -S` as chains of rules for `passage.ts`. Pure. */
import {
  allOf,
  comesFrom,
  comesFromRange,
  type Family,
  goesTo,
  isMulticast,
  type Match,
  not,
  oneOf,
} from './networks.ts';
import type { Chain, ChainRule, Ruleset, Stranger, Verdict } from './passage.ts';

/** Targets that only note something: the packet goes on to the next rule. */
const NOTES = new Set(['LOG', 'NFLOG', 'ULOG', 'AUDIT', 'TRACE', 'MARK', 'CONNMARK', 'SECMARK', 'SET', 'CLASSIFY']);
const VERDICTS: Readonly<Record<string, Verdict>> = {
  ACCEPT: { do: 'accept' },
  DROP: { do: 'drop' },
  REJECT: { do: 'drop' },
  TARPIT: { do: 'drop' },
  RETURN: { do: 'return' },
};
/** Matches that say nothing without an option. */
const MODULES = new Set(
  'addrtype comment conntrack connlimit hashlimit icmp icmp6 iprange limit mark multiport recent set state tcp udp'.split(
    ' ',
  ),
);
/** Options of a match that do not decide whether it holds: what they belong to has an option of its own. */
const DETAILS = new Set(['--limit-burst', '--comment', '--name', '--mask', '--rsource', '--rdest', '--set']);

interface Option {
  readonly name: string;
  readonly negated: boolean;
  readonly words: readonly string[];
}

export function readIptables(listing: string, family: Family): Ruleset {
  const chains = new Map<string, { rules: ChainRule[]; policy?: 'accept' | 'drop' }>();
  const interfaces: string[] = [];
  const targets: string[] = [];
  const chainOf = (name: string) => {
    const chain = chains.get(name) ?? { rules: [] };
    chains.set(name, chain);
    return chain;
  };
  for (const line of listing.split('\n')) {
    const [, verb, name = '', rest = ''] = /^-([PNA]) (\S+)(.*)$/.exec(line) ?? [];
    if (verb === undefined) continue;
    const chain = chainOf(name);
    if (verb === 'P') chain.policy = rest.trim() === 'DROP' ? 'drop' : 'accept';
    if (verb !== 'A') continue;
    const options = readOptions(rest);
    // Most rules of a long list name a source (fail2ban's, for example): they are not for strangers.
    if (options.some((option) => sourceMatch(option, family) === 'no')) continue;
    for (const { name: option, words } of options) {
      if (option === '-i') interfaces.push(...words);
      if (option === '-d') targets.push(...words);
    }
    chain.rules.push(readRule(line, options, family));
  }
  return { chains: chains satisfies ReadonlyMap<string, Chain>, interfaces, targets };
}

/** Whether the rules let in what a translation of addresses leads here. */
export function acceptsTranslated(listing: string): boolean {
  return /^-A .*--(ct)?state \S*DNAT/m.test(listing);
}

/** A rule of the table nat that leads packets from another port to this one of this host; for `-t nat -S`. */
export function leadingRule(listing: string, port: number, own: readonly string[]): string | undefined {
  return listing.split('\n').find((line) => {
    const [, target] = / -j (REDIRECT|DNAT)(?: |$)/.exec(line) ?? [];
    if (target === undefined) return false;
    const [, to = ''] = / --to-(?:ports|destination) (\S+)/.exec(line) ?? [];
    const [, bracketed, plain, first, last = first] =
      (target === 'REDIRECT' ? /^()()(\d+)(?:-(\d+))?$/ : /^(?:\[(.*)\]|([\d.]+))(?::(\d+)(?:-(\d+))?)?$/).exec(to) ??
      [];
    const address = bracketed || plain;
    const elsewhere = address !== undefined && address !== '' && !own.includes(address);
    return !elsewhere && (first === undefined || (port >= Number(first) && port <= Number(last)));
  });
}

function readRule(text: string, options: readonly Option[], family: Family): ChainRule {
  const at = options.findIndex(({ name }) => name === '-j' || name === '-g');
  const conditions = at < 0 ? options : options.slice(0, at);
  return {
    text,
    verdict: verdictOf(options[at]),
    matches: (packet) => allOf(conditions.map((option) => matchOf(option, packet, family))),
  };
}

function verdictOf(option: Option | undefined): Verdict {
  const target = option?.words[0];
  if (option === undefined) return { do: 'next' };
  if (target === undefined) return { do: 'unclear' };
  const verdict = VERDICTS[target] ?? (NOTES.has(target) ? { do: 'next' } : undefined);
  if (verdict !== undefined) return verdict;
  return { do: option.name === '-g' ? 'goto' : 'jump', chain: target };
}

function matchOf(option: Option, packet: Stranger, family: Family): Match {
  const bySource = sourceMatch(option, family);
  if (bySource !== undefined) return bySource;
  const match = plainMatch(option, packet);
  return option.negated ? not(match) : match;
}

/** Undefined for a condition that is not about the source. */
function sourceMatch({ name, negated, words }: Option, family: Family): Match | undefined {
  const [word = ''] = words;
  const [from = '', to = ''] = word.split('-');
  if (name !== '-s' && name !== '--src-range') return undefined;
  const match = name === '-s' ? comesFrom(word, family) : comesFromRange(from, to, family);
  return negated ? not(match) : match;
}

function plainMatch({ name, words }: Option, packet: Stranger): Match {
  const [word = ''] = words;
  const yes = (holds: boolean): Match => (holds ? 'yes' : 'no');
  if (DETAILS.has(name)) return 'yes';
  switch (name) {
    case '-m':
      return MODULES.has(word) ? 'yes' : 'unknown';
    case '-d':
      return goesTo(word, packet.target);
    case '-i':
      return yes(word.endsWith('+') ? packet.via.startsWith(word.slice(0, -1)) : packet.via === word);
    case '-p':
      return yes(word === 'all' || word === packet.protocol || word === (packet.protocol === 'tcp' ? '6' : '17'));
    case '-f':
      return 'no';
    case '--dport':
    case '--dports':
      return coversPort(word, packet.port);
    // The stranger chooses it.
    case '--sport':
    case '--sports':
    case '--ports':
      return 'maybe';
    case '--tcp-flags':
      return yes(flagsOf(word).includes('SYN') === (words[1] === 'SYN') && (words[1] === 'SYN' || words[1] === 'NONE'));
    case '--ctstate':
    case '--state':
      return oneOf(word.split(',').map(stateMatch));
    case '--dst-type':
      return oneOf(word.split(',').map((type) => typeMatch(type, packet)));
    case '--limit':
      return 'maybe';
    default:
      return /^--(hash|conn)limit-/.test(name) ? 'maybe' : 'unknown';
  }
}

function flagsOf(mask: string): readonly string[] {
  return mask === 'ALL' ? ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG'] : mask.split(',');
}

/** The state of a packet that begins a connection. */
function stateMatch(state: string): Match {
  if (state === 'NEW') return 'yes';
  // A rule of the table raw can leave packets untracked.
  if (state === 'UNTRACKED') return 'maybe';
  // Whether a translation leads to the port is a question of its own: `leadingRule`.
  return ['ESTABLISHED', 'RELATED', 'INVALID', 'DNAT', 'SNAT'].includes(state) ? 'no' : 'unknown';
}

/** INPUT sees packets to addresses of this host, to groups, and to everyone. */
function typeMatch(type: string, { target, protocol }: Stranger): Match {
  const toGroup = isMulticast(target);
  if (type === 'LOCAL') return toGroup ? 'no' : 'yes';
  if (type === 'MULTICAST') return toGroup ? 'yes' : 'no';
  if (type === 'BROADCAST') return protocol === 'udp' && !toGroup ? 'maybe' : 'no';
  return 'unknown';
}

/** `22`, `20:30`, `80,443`. */
function coversPort(list: string, port: number | undefined): Match {
  if (port === undefined) return 'maybe';
  const covered = list.split(',').some((part) => {
    const [from = '', to = from] = part.split(':');
    return port >= Number(from || 0) && port <= Number(to || 65_535);
  });
  return covered ? 'yes' : 'no';
}

/** The words of a rule by option. A quoted word is never an option. */
function readOptions(text: string): readonly Option[] {
  const options: { name: string; negated: boolean; words: string[] }[] = [];
  let negated = false;
  for (const [word, quoted] of text.matchAll(/"((?:[^"\\]|\\.)*)"|\S+/g)) {
    const last = options.at(-1);
    // Whatever the comment is, it is one word.
    const isComment = last?.name === '--comment' && last.words.length === 0;
    if (quoted !== undefined || isComment) last?.words.push(quoted ?? word);
    else if (word === '!') negated = true;
    else if (/^--?[a-z]/.test(word)) {
      options.push({ name: word, negated, words: [] });
      negated = false;
    } else last?.words.push(word);
  }
  return options;
}
