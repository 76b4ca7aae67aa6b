/** Asks the kernel for the rules of iptables and ip6tables, and says which guarded port they leave open to strangers. */
import { existsSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { outputOf, type RunProgram } from '../../process/run-program.ts';
import { serviceOf } from '../rules/rule-table.ts';
import { acceptsTranslated, leadingRule, readIptables } from './iptables-listing.ts';
import type { Family } from './networks.ts';
import { findPassage, type Passage } from './passage.ts';

/** Seconds to wait while another program holds the iptables lock. */
const LOCK_SECONDS = '5';

export interface OpenPlace {
  readonly place: string;
  readonly passage: Passage;
}

/** The first place that is open to strangers. @throws KnockError FIREWALL when the rules cannot be read */
export async function iptablesOpening(run: RunProgram, places: readonly string[]): Promise<OpenPlace | undefined> {
  const own = ownAddresses();
  for (const family of families()) {
    const list = (...table: string[]): Promise<string> =>
      outputOf(run, family === 4 ? 'iptables' : 'ip6tables', ['-w', LOCK_SECONDS, ...table, '-S']);
    const listing = await list();
    const ruleset = readIptables(listing, family);
    const translation = acceptsTranslated(listing) ? await list('-t', 'nat') : '';
    for (const place of places) {
      const { protocol, port } = serviceOf(place);
      const passage = findPassage(ruleset, 'INPUT', { family, protocol, port, own });
      if (passage !== undefined) return { place, passage };
      const rule = leadingRule(translation, port, own);
      if (rule === undefined) continue;
      const packet = { family, protocol, port: undefined, via: '', target: '' };
      return { place, passage: { chain: 'PREROUTING', rule, certain: false, packet } };
    }
  }
  return undefined;
}

/** Without IPv6 in the kernel there is no IPv6 port to guard, and ip6tables fails. */
export function families(): readonly Family[] {
  return existsSync('/proc/net/if_inet6') ? [4, 6] : [4];
}

export function ownAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).map(({ address }) => address));
}
