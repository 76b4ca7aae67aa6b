/**
 * The interface of nft runners (libnftables or the nft program), and the error for a refused script. A script is one
 * transaction of the kernel: it takes effect as a whole or not at all.
 */
import { KnockError } from '../../shared/errors.ts';
import { cleanWords } from '../process/program-search-path.ts';

/**
 * The form of a listing. `json`: all as JSON. `layout`: the text of tables, sets and rules without elements. `handles`: the
 * layout with the kernel's handles, which differ when an object was created again.
 */
export type NftListing = 'json' | 'layout' | 'handles';

export interface NftRunner {
  /** How scripts reach the kernel, as text for the log. */
  readonly via: string;
  /**
   * Runs a script of changes.
   * @throws KnockError FIREWALL with nft's own message; then nothing has changed, unless nft was killed
   */
  run(script: string): Promise<void>;
  /** Runs a script of `list` commands. @throws KnockError FIREWALL */
  list(script: string, listing: NftListing): Promise<string>;
  /** Frees the runner's resources. Call it once, after the last script. */
  close(): void;
}

/** The error for a refused script. nft quotes the script, which has addresses, names and numbers but no secret. */
export function refusal(words: string, cause?: unknown): KnockError {
  const said = cleanWords(words) || 'no reason given';
  const hint = /permitted|permission/i.test(said)
    ? 'the daemon needs CAP_NET_ADMIN'
    : '"nft list table inet knock_otp" shows what the kernel has now';
  return new KnockError('FIREWALL', `nftables refused: ${said}`, cause === undefined ? { hint } : { hint, cause });
}
