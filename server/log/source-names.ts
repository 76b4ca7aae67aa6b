/**
 * Resolves addresses to names for the log (`-l`), by reverse DNS. Bounded in time and number, because the owner of an
 * address controls the answer and its delay. A name proves nothing about its owner.
 */
import { Resolver } from 'node:dns/promises';
import { type AddressKey, formatAddress } from '../../shared/address.ts';

const TIMEOUT_MS = 2_000;
const MAX_PENDING = 16;
/** A valid host name. Other answers are ignored, because they may contain line ends or terminal escapes. */
const NAME = /^[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,252})$/;

/** Never rejects; undefined without a name, after the timeout, or while too many lookups are pending. */
export function sourceNames(
  reverse: (address: string) => Promise<readonly string[]> = systemResolver(),
): (address: AddressKey) => Promise<string | undefined> {
  let pending = 0;
  return async (address) => {
    if (pending >= MAX_PENDING) return undefined;
    pending += 1;
    try {
      const [name] = await reverse(formatAddress(address));
      return name !== undefined && NAME.test(name) ? name : undefined;
    } catch {
      return undefined;
    } finally {
      pending -= 1;
    }
  };
}

function systemResolver(): (address: string) => Promise<readonly string[]> {
  const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: 1 });
  return (address) => resolver.reverse(address);
}
