/**
 * The options of `knock-otp HOST`: which exclude each other, and which of the three ways to knock they select. Checked
 * before anything is read, resolved or spent.
 */
import { KnockError } from '../../shared/errors.ts';
import { type Knock, parsePort } from '../../shared/knock.ts';
import { refuseInvalidSource } from '../address/source-options.ts';
import type { Families } from '../knock/knock-request.ts';
import { isPortWord, parsePortWords, refuseInvalidFile } from '../terminal/typed-words.ts';

export interface KnockOptions {
  readonly version?: boolean;
  readonly door?: string;
  readonly ipv4?: boolean;
  readonly ipv6?: boolean;
  readonly both?: boolean;
  /** The port to verify, false for `--no-verify`. */
  readonly verify?: number | false;
  /** Seconds. */
  readonly timeout?: number;
  readonly udp?: boolean;
  /** Milliseconds between two knocks. */
  readonly delay?: number;
  readonly oneTime?: string;
  /** The address of this machine as the server sees it. */
  readonly source?: string;
  /** `NAME@SERVER`: a name server that knows it. */
  readonly whoami?: string;
  readonly all?: boolean;
  readonly again?: boolean;
  readonly proxy?: boolean;
  readonly verbose?: boolean;
  readonly json?: boolean;
}

/** 0 for the family that the resolver prefers. */
export type Family = 0 | 4 | 6;

/** A sequence from a profile, from the next line of a file, or from the command line. */
export type Way =
  | {
      readonly kind: 'profile';
      /** The hosts after the first one. */
      readonly others: readonly string[];
      readonly families: Families;
      readonly proxyPort: number | undefined;
    }
  | { readonly kind: 'file'; readonly path: string; readonly family: Family; readonly proxyPort: number | undefined }
  | { readonly kind: 'ports'; readonly knocks: readonly Knock[]; readonly family: Family };

/**
 * The first word after HOST decides: `7000`, `8000:udp` and other words that begin like a port mean ports, all other
 * words mean more hosts.
 * @throws KnockError USAGE
 */
export function wayOf(words: readonly string[], options: KnockOptions): Way {
  const { oneTime } = options;
  refuseInvalidFile(oneTime);
  refuseInvalidSource(options);
  const [second] = words;
  const isHosts = oneTime === undefined && options.proxy !== true && second !== undefined && !isPortWord(second);
  const isPorts = oneTime === undefined && options.proxy !== true && second !== undefined && !isHosts;
  const ports = isHosts ? [] : words;
  const family = familyOf(options);
  const proxyPort = proxyPortOf(ports, options);
  if (isHosts && words.some(isPortWord)) throw new KnockError('USAGE', 'ports go with one host, not with several');
  if (options.udp === true && !isPorts) throw new KnockError('USAGE', '-u is for ports of the command line only');
  if (oneTime === undefined && !isPorts) {
    const families = options.both === true ? 'both' : family === 0 ? 'any' : family;
    return { kind: 'profile', others: isHosts ? words : [], families, proxyPort };
  }
  const what = isPorts ? 'ports' : '--one-time';
  if (options.door !== undefined) throw new KnockError('USAGE', `--door goes with a profile, not with ${what}`);
  if (options.both === true) {
    throw new KnockError('USAGE', `--both goes with a profile, not with ${what}`, { hint: 'choose -4 or -6' });
  }
  if (options.source !== undefined || options.whoami !== undefined) {
    throw new KnockError('USAGE', `--source and --whoami go with profiles, not with ${what}`);
  }
  if (options.all === true || options.again === true) {
    throw new KnockError('USAGE', `--all and --again go with profiles, not with ${what}`);
  }
  if (oneTime === undefined) return { kind: 'ports', knocks: parsePortWords(ports, options.udp === true), family };
  if (proxyPort === undefined && ports.length > 0) {
    throw new KnockError('USAGE', '--one-time takes the ports from its file', { hint: 'leave the ports out' });
  }
  return { kind: 'file', path: oneTime, family, proxyPort };
}

/** @throws KnockError USAGE */
export function familyOf(options: KnockOptions): Family {
  if ([options.ipv4, options.ipv6, options.both].filter((isSet) => isSet === true).length > 1) {
    throw new KnockError('USAGE', '-4, -6 and --both exclude each other');
  }
  if (options.ipv4 === true) return 4;
  return options.ipv6 === true ? 6 : 0;
}

function proxyPortOf(words: readonly string[], options: KnockOptions): number | undefined {
  if (options.proxy !== true) return undefined;
  const [word = ''] = words;
  const port = parsePort(word);
  if (port === undefined || words.length > 1) {
    throw new KnockError('USAGE', '--proxy needs a port from 1 to 65535', {
      hint: 'ProxyCommand knock-otp --proxy %h %p',
    });
  }
  // Standard output carries the one connection, which is also the verification.
  if (options.verify !== undefined || options.both === true || options.json === true || options.all === true) {
    throw new KnockError('USAGE', '--proxy goes with none of --verify, --no-verify, --both, --all and --json');
  }
  return port;
}
