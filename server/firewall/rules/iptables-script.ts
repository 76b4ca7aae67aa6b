/**
 * Writes the text for iptables-restore and ipset, and parses iptables' listings. Pure. `iptables.ts` loads the text.
 * Only formatted addresses and checked numbers go into it.
 *
 * The layout: the first rule of INPUT calls our chain KNOCK-OTP, whose verdicts are DROP and RETURN. A returned packet
 * meets every rule of the host. Granted sources are in one ipset for each service and family, and the kernel expires
 * its elements. Without ipset, each granted source has a rule.
 */
import { formatAddress, isIpv4 } from '../../../shared/address.ts';
import { OLDER_SESSION_SECONDS, type OlderSession } from '../older-sessions.ts';
import { type Rule, serviceOf, type WantedRule, wholeSeconds } from './rule-table.ts';

export type Family = 4 | 6;

/**
 * How grants are stored: in ipsets; as rules that the time match ends; as rules that stay until they are removed, where
 * the kernel has neither.
 */
export type IptablesMode = 'sets' | 'timed rules' | 'rules';

export const CHAIN = 'KNOCK-OTP';
const JUMP = `-j ${CHAIN}`;

/** A granted rule with its end in Unix milliseconds. */
export interface EndingRule extends Rule {
  readonly endsAt: number;
}

export interface EndingSession extends OlderSession {
  readonly endsAt: number;
}

export interface ChainParts {
  readonly mode: IptablesMode;
  readonly places: readonly string[];
  readonly rules: readonly EndingRule[];
  readonly older: readonly EndingSession[];
  readonly loopbackToo: boolean;
}

/** Unix milliseconds at which a session counts as ended that is older than connection tracking. */
export function endOfOlder(wallMs: number): number {
  return wallMs + OLDER_SESSION_SECONDS * 1000;
}

/** `knock-otp4-tcp-22`; the kernel allows 31 characters. */
export function setName(place: string, family: Family): string {
  const { protocol, port } = serviceOf(place);
  return `knock-otp${family}-${protocol}-${port}`;
}

export function isOurSet(name: string): boolean {
  return /^knock-otp[46](-next)?-(tcp|udp)-\d{1,5}$/.test(name);
}

export function familyOf(rule: Rule): Family {
  return isIpv4(rule.source) ? 4 : 6;
}

/**
 * Replaces the chain, and its calls by one call before all rules of INPUT. One transaction, for iptables-restore
 * --noflush.
 */
export function chainScript(family: Family, parts: ChainParts, jumps: number): string {
  return transaction([`:${CHAIN} - [0:0]`, ...unhook(jumps), `-I INPUT 1 ${JUMP}`, ...chainRules(family, parts)]);
}

/** Removes the chain and its calls. */
export function removeScript(jumps: number): string {
  return transaction([`:${CHAIN} - [0:0]`, ...unhook(jumps), `-X ${CHAIN}`]);
}

/** How many calls of our chain `iptables -S INPUT` lists, and whether there is one call, as the first rule. */
export function readHooks(listing: string): { readonly jumps: number; readonly first: boolean } {
  const rules = listing.split('\n').filter((line) => line.startsWith('-A INPUT '));
  const jumps = rules.filter((rule) => rule === `-A INPUT ${JUMP}`).length;
  return { jumps, first: jumps === 1 && rules[0] === `-A INPUT ${JUMP}` };
}

/**
 * For `ipset -exist restore`: fills a new set for each service with `rules`, and swaps it for the old one in one step.
 */
export function setsScript(family: Family, places: readonly string[], rules: readonly WantedRule[]): string {
  const type = `hash:ip family ${family === 4 ? 'inet' : 'inet6'} timeout 0`;
  const lines = places.flatMap((place) => {
    const set = setName(place, family);
    const next = set.replace(/^knock-otp[46]/, '$&-next');
    const elements = rules.filter((rule) => rule.place === place && familyOf(rule) === family);
    return [
      `create ${set} ${type}`,
      `create ${next} ${type}`,
      `flush ${next}`,
      ...elements.map(
        ({ source, remainingMs }) => `add ${next} ${formatAddress(source)} timeout ${wholeSeconds(remainingMs)}`,
      ),
      `swap ${next} ${set}`,
      `destroy ${next}`,
    ];
  });
  return lines.map((line) => `${line}\n`).join('');
}

function chainRules(family: Family, { mode, places, rules, older, loopbackToo }: ChainParts): readonly string[] {
  return [
    ...(loopbackToo ? [] : ['-i lo -j RETURN']),
    // Not RELATED: an attacker can make a conntrack helper expect a connection to a port of his choice.
    '-m conntrack --ctstate ESTABLISHED -j RETURN',
    ...older
      .filter(({ source, target }) => isIpv4(source) === (family === 4) && isIpv4(target) === (family === 4))
      .map(
        ({ source, sourcePort, target, port, endsAt }) =>
          `-s ${formatAddress(source)} -d ${formatAddress(target)} -p tcp -m tcp --sport ${sourcePort} --dport ${port} ` +
          `--tcp-flags SYN NONE${untilText(mode, endsAt)} -j RETURN`,
      ),
    ...places.flatMap((place) => {
      const { protocol, port } = serviceOf(place);
      const service = `-p ${protocol} -m ${protocol} --dport ${port}`;
      const granted =
        mode === 'sets'
          ? [`${service} -m set --match-set ${setName(place, family)} src -j RETURN`]
          : rules
              .filter((rule) => rule.place === place && familyOf(rule) === family)
              .map((rule) => `-s ${formatAddress(rule.source)} ${service}${untilText(mode, rule.endsAt)} -j RETURN`);
      return [...granted, `${service} -j DROP`];
    }),
  ].map((rule) => `-A ${CHAIN} ${rule}`);
}

/** The time match takes seconds of UTC up to 2038. */
function untilText(mode: IptablesMode, endsAt: number): string {
  if (mode === 'rules') return '';
  const seconds = Math.min(Math.ceil(endsAt / 1000), 2 ** 31 - 1);
  return ` -m time --datestop ${new Date(seconds * 1000).toISOString().slice(0, 19)}`;
}

function unhook(jumps: number): readonly string[] {
  return Array.from({ length: jumps }, () => `-D INPUT ${JUMP}`);
}

function transaction(lines: readonly string[]): string {
  return ['*filter', ...lines, 'COMMIT', ''].join('\n');
}
