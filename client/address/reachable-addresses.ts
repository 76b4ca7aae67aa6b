/** The addresses of a host that have a route from here, determined before a factor is spent. */
import { KnockError } from '../../shared/errors.ts';
import type { Address, Network } from '../deps.ts';

/**
 * In the resolver's order, at least one and at most MAX_ADDRESSES.
 * @param name what the user typed, for messages
 * @throws KnockError NETWORK
 */
export async function reachableAddresses(
  target: string,
  family: 0 | 4 | 6,
  name: string,
  network: Network,
): Promise<readonly [Address, ...Address[]]> {
  const all = (await network.resolve(target, family)).slice(0, MAX_ADDRESSES);
  const errors = await Promise.all(all.map((address) => network.routeError(address)));
  const [first, ...others] = all.filter((_, at) => errors[at] === undefined);
  if (first !== undefined) return [first, ...others];
  const codes = errors.filter((code) => code !== undefined);
  throw nothingSent(name, all, codes);
}

export function addressesOf(addresses: readonly Address[]): string {
  return addresses.map(({ address }) => address).join(', ');
}

/** NETWORK: no packet left this host. */
export function nothingSent(name: string, addresses: readonly Address[], codes: readonly string[]): KnockError {
  const reasons = [...new Set(codes)].join(', ');
  return new KnockError('NETWORK', `nothing could be sent to ${name} (${addressesOf(addresses)}): ${reasons}`, {
    hint: /EACCES|EPERM/.test(reasons)
      ? 'a firewall on this machine refuses the packets'
      : 'is this machine connected? try -4 or -6 when only one of them works here',
  });
}

/** Maximum number of addresses of one host that are tried, and of factors that are spent on it. */
export const MAX_ADDRESSES = 4;
