/**
 * The address from which the server sees this client's packets, for doors that bind a knock to its source. In this
 * order: the user's option, the name server of the user's option, the profile's address, the profile's name server.
 * Without any of them it is the local address of a socket to the server, which is right when no router on the path
 * translates it (NAT).
 */
import { addressBytes, addressKey, formatAddress, isIpv4 } from '../../shared/address.ts';
import { KnockError } from '../../shared/errors.ts';
import type { Profile } from '../../shared/formats/profile-uri.ts';
import { isSourceWord, parseWhoami } from '../../shared/formats/source-words.ts';
import type { Address, Network } from '../deps.ts';
import { invalidSourceError, type PublicAddress, type SourceOptions } from './source-options.ts';

/**
 * @throws KnockError USAGE when the option's address is of the other family; NETWORK when a name server has no answer
 */
export async function publicAddress(
  to: Address,
  profile: Pick<Profile, 'sources' | 'whoami'>,
  options: SourceOptions,
  network: Pick<Network, 'localAddress' | 'whoami'>,
): Promise<PublicAddress> {
  const { family } = to;
  const fromOption = options.source === undefined ? undefined : readAddress(options.source);
  if (options.source !== undefined && fromOption === undefined) throw invalidSourceError();
  if (fromOption !== undefined && fromOption.family !== family) {
    throw new KnockError('USAGE', `--source is an IPv${fromOption.family} address, and ${to.address} is not`, {
      hint: `choose -${fromOption.family}, or give the IPv${family} address`,
    });
  }
  if (fromOption !== undefined) return fromOption;
  if (options.whoami === undefined) {
    const known = (profile.sources ?? []).map(readAddress).find((each) => each?.family === family);
    if (known !== undefined) return known;
  }
  const question = parseWhoami(options.whoami ?? profile.whoami ?? '');
  if (question !== undefined) {
    const { name, server } = question;
    const answer = readAddress((await network.whoami(question, family)) ?? '');
    if (answer?.family === family) return { ...answer, how: 'asked' };
    throw new KnockError('NETWORK', `${server} has no IPv${family} address for ${name}`, {
      hint: 'give the address that the server sees: --source ADDRESS',
    });
  }
  const local = readAddress((await network.localAddress(to)) ?? '');
  if (local?.family === family) return { ...local, how: 'local' };
  throw new KnockError('NETWORK', `this machine has no address for packets to ${to.address}`);
}

export function readAddress(text: string): PublicAddress | undefined {
  const key = isSourceWord(text) ? addressKey(text) : undefined;
  if (key === undefined) return undefined;
  return { text: formatAddress(key), bytes: addressBytes(key), family: isIpv4(key) ? 4 : 6, how: 'given' };
}
