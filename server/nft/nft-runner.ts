/**
 * Running nft scripts: what libnftables and the nft program have in common. Knows how a refusal is worded; what stands
 * in scripts is nft-script's business, which of the two is used open-nft-runner's. A script is one transaction of the
 * kernel: it takes effect as a whole or not at all.
 */
import { KnockError } from '../../shared/errors.ts';
import { cleanWords } from '../process/program-search-path.ts';

/**
 * What a listing looks like: `json`, or `layout`, the text form of tables, sets and rules without any elements, or
 * `handles`, the same with the kernel's numbers, by which a thing that was made again differs.
 */
export type NftListing = 'json' | 'layout' | 'handles';

export interface NftRunner {
  /** How scripts reach the kernel, for the log. */
  readonly via: string;
  /**
   * Runs a script of changes.
   * @throws KnockError FIREWALL with nft's own words; nothing has changed then, unless nft had to be killed
   */
  run(script: string): Promise<void>;
  /** Runs a script of `list` commands. @throws KnockError FIREWALL */
  list(script: string, listing: NftListing): Promise<string>;
  /** Frees what the runner holds. Call it once, after the last script. */
  close(): void;
}

/** The error for a refused script. nft quotes the script, which holds addresses, names and numbers, no secret. */
export function refusal(words: string, cause?: unknown): KnockError {
  const said = cleanWords(words) || 'no reason given';
  const hint = /permitted|permission/i.test(said)
    ? 'the daemon needs CAP_NET_ADMIN'
    : '"nft list table inet knock_otp" shows what the kernel has now';
  return new KnockError('FIREWALL', `nftables refused: ${said}`, cause === undefined ? { hint } : { hint, cause });
}
