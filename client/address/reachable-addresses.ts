/** Where a host can be knocked at from here: its addresses that have a route, found out before anything is spent. */
import type { Address, Network } from '../deps.ts';
import { nothingSent } from '../knock/failure-messages.ts';
import { MAX_ADDRESSES } from '../knock/retry-times.ts';

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
