/**
 * The address that the server will see our packets come from, for doors that bind a knock to it. What the user says counts
 * most, then what a name server of his choice says, then what the profile has of either; when nobody says anything it is
 * the address that a socket to the server has here, which is right where no router on the way writes another one.
 */
import { addressBytes, addressKey, formatAddress, isIpv4 } from '../../shared/address.ts';
import { KnockError } from '../../shared/errors.ts';
import type { Profile } from '../../shared/formats/profile-uri.ts';
import { isSourceWord, parseWhoami } from '../../shared/formats/source-words.ts';
import type { Address, Network } from '../deps.ts';
import { invalidSourceError, type PublicAddress, type SourceOptions } from './source-options.ts';

/** @throws KnockError USAGE when the given address is of the other family; NETWORK when a name server does not say */
export async function publicAddress(
  to: Address,
  profile: Pick<Profile, 'sources' | 'whoami'>,
  options: SourceOptions,
  network: Pick<Network, 'localAddress' | 'whoami'>,
): Promise<PublicAddress> {
  const { family } = to;
  const given = options.source === undefined ? undefined : readAddress(options.source);
  if (options.source !== undefined && given === undefined) throw invalidSourceError();
  if (given !== undefined && given.family !== family) {
    throw new KnockError('USAGE', `--source is an IPv${given.family} address, and ${to.address} is not`, {
      hint: `choose -${given.family}, or give the IPv${family} address`,
    });
  }
  if (given !== undefined) return given;
  if (options.whoami === undefined) {
    const known = (profile.sources ?? []).map(readAddress).find((each) => each?.family === family);
    if (known !== undefined) return known;
  }
  const question = parseWhoami(options.whoami ?? profile.whoami ?? '');
  if (question !== undefined) {
    const { name, server } = question;
    const asked = readAddress((await network.whoami(question, family)) ?? '');
    if (asked?.family === family) return { ...asked, how: 'asked' };
    throw new KnockError('NETWORK', `${server} does not say which IPv${family} address asks for ${name}`, {
      hint: 'give the address that the server sees: --source ADDRESS',
    });
  }
  const local = readAddress((await network.localAddress(to)) ?? '');
  if (local?.family === family) return { ...local, how: 'local' };
  throw new KnockError('NETWORK', `there is no address of our own for packets to ${to.address}`);
}

export function readAddress(text: string): PublicAddress | undefined {
  const key = isSourceWord(text) ? addressKey(text) : undefined;
  if (key === undefined) return undefined;
  return { text: formatAddress(key), bytes: addressBytes(key), family: isIpv4(key) ? 4 : 6, how: 'given' };
}
