/**
 * Asks the kernel for firewalld's rules, and says which guarded port they leave open to strangers: its nftables table,
 * or the rules of iptables where firewalld works with those.
 */
import { KnockError } from '../../../shared/errors.ts';
import { formatProblemOf } from '../../log/error-text.ts';
import type { NftRunner } from '../../nft/nft-runner.ts';
import { outputOf, type RunProgram } from '../../process/run-program.ts';
import { serviceOf } from '../rules/rule-table.ts';
import { families, iptablesOpening, type OpenPlace, ownAddresses } from './iptables-judge.ts';
import { type NftTable, readNftTable } from './nft-listing.ts';
import { findPassage } from './passage.ts';

const LIST_TABLE = 'list table inet firewalld';

export class FirewalldJudge {
  readonly #run: RunProgram;
  readonly #nft: NftRunner;

  constructor(run: RunProgram, nft: NftRunner) {
    this.#run = run;
    this.#nft = nft;
  }

  /** The rules as text, without the elements of sets. It changes with every reload and rule. */
  async layout(): Promise<string> {
    const table = await this.#list('layout');
    if (table !== undefined) return table;
    const listings = ['iptables', 'ip6tables'].slice(0, families().length);
    return (await Promise.all(listings.map((program) => outputOf(this.#run, program, ['-w', '5', '-S'])))).join('');
  }

  /** The first place that is open to strangers. @throws KnockError FIREWALL when the rules cannot be read */
  async opening(places: readonly string[]): Promise<OpenPlace | undefined> {
    if (places.length === 0) return undefined;
    const listing = await this.#list('json');
    if (listing === undefined) return iptablesOpening(this.#run, places);
    const table = readNftTable(listing);
    for (const place of places) {
      const passage = passageThrough(table, place);
      if (passage !== undefined) return { place, passage };
    }
    return undefined;
  }

  /** Undefined where firewalld has no table of nftables. */
  async #list(form: 'json' | 'layout'): Promise<string | undefined> {
    try {
      return await this.#nft.list(LIST_TABLE, form);
    } catch (error) {
      const words = formatProblemOf(error);
      if (words.includes('No such file or directory')) return undefined;
      throw new KnockError('FIREWALL', `it is not clear whether firewalld lets strangers in: ${words}`, {
        hint: 'install the package nftables: the program nft lists the rules that firewalld made',
        cause: error,
      });
    }
  }
}

function passageThrough(table: NftTable, place: string): OpenPlace['passage'] | undefined {
  const { protocol, port } = serviceOf(place);
  const own = ownAddresses();
  const bases = (hook: string, type: string) =>
    table.hooks.filter((base) => base.hook === hook && base.type === type).map(({ chain }) => chain);
  for (const family of families()) {
    const question = { family, protocol, port, own };
    // A packet has to get through each of them.
    const inward = bases('input', 'filter').map((base) => findPassage(table.filter, base, question));
    if (inward.every((passage) => passage !== undefined)) {
      const policy = { chain: 'input', rule: 'no chain', certain: true };
      return inward[0] ?? { ...policy, packet: { family, protocol, port, via: '', target: '' } };
    }
    const translation = table.leadingTo(port, own);
    for (const base of bases('prerouting', 'nat')) {
      const passage = findPassage(translation, base, { ...question, port: undefined });
      if (passage !== undefined) return passage;
    }
  }
  return undefined;
}
