/**
 * Names of addresses for the log (`-l`), from the name servers of this host. Bounded in time and number: whoever knocks
 * decides about the answer, and about how long it takes. A name proves nothing about its owner.
 */
import { Resolver } from 'node:dns/promises';
import { type AddressKey, formatAddress } from '../../shared/address.ts';

const TIMEOUT_MS = 2_000;
const MAX_ASKING = 16;
/** What a host's name may be; anything else may be a line or an escape for a terminal. */
const NAME = /^[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,252})$/;

/** Answers asynchronously and never rejects; undefined when there is no name, not in time, or too many are being asked for. */
export function sourceNames(
  reverse: (address: string) => Promise<readonly string[]> = systemResolver(),
): (address: AddressKey) => Promise<string | undefined> {
  let asking = 0;
  return async (address) => {
    if (asking >= MAX_ASKING) return undefined;
    asking += 1;
    try {
      const [name] = await reverse(formatAddress(address));
      return name !== undefined && NAME.test(name) ? name : undefined;
    } catch {
      return undefined;
    } finally {
      asking -= 1;
    }
  };
}

function systemResolver(): (address: string) => Promise<readonly string[]> {
  const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: 1 });
  return (address) => resolver.reverse(address);
}
