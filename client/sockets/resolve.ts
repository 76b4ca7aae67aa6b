/**
 * Resolves a host to its addresses, once for each run: the knock, its repetitions and the connection must go to one
 * address, also when the name changes meanwhile.
 */
import { isIP } from 'node:net';
import { KnockError } from '../../shared/errors.ts';
import { codeOf } from '../../shared/files/system-error.ts';
import type { Address } from '../deps.ts';

/**
 * Addresses in the resolver's order (it follows RFC 6724), without repetitions.
 * @param family 0 for both
 * @throws KnockError NETWORK when there is none
 */
export async function resolveHost(host: string, family: 0 | 4 | 6): Promise<readonly Address[]> {
  const bare = host.replace(/^\[(.*)\]$/, '$1');
  const literal = isIP(bare);
  if (literal !== 0) {
    if (family !== 0 && family !== literal) throw none(host, family);
    return [{ address: bare, family: literal === 4 ? 4 : 6 }];
  }
  const { lookup } = await import('node:dns/promises');
  let found: readonly { readonly address: string; readonly family: number }[];
  try {
    found = await lookup(bare, { all: true, family, verbatim: true });
  } catch (error) {
    const code = codeOf(error);
    if (family !== 0 && (code === 'ENOTFOUND' || code === 'ENODATA')) throw none(host, family);
    throw new KnockError('NETWORK', `cannot resolve "${host}": ${code}`, {
      hint: 'check the name, or give an address (a profile gets one with: knock-otp add URI --host ADDRESS)',
      cause: error,
    });
  }
  const unique = new Map(found.map(({ address, family: kind }) => [address, kind === 6 ? 6 : 4] as const));
  if (unique.size === 0) throw none(host, family);
  return [...unique].map(([address, kind]) => ({ address, family: kind }));
}

/**
 * The same for callers that can do without an answer. It asks the name servers directly, because a call to the system's
 * resolver cannot be cancelled and would keep this process alive until it times out. Hosts files are not read.
 * @returns an empty list when there is no address, or no answer in time
 */
export async function resolveInTime(host: string, timeoutMs: number): Promise<readonly Address[]> {
  const literal = isIP(host);
  if (literal !== 0) return [{ address: host, family: literal === 4 ? 4 : 6 }];
  const { Resolver } = await import('node:dns/promises');
  const resolver = new Resolver({ timeout: timeoutMs, tries: 1 });
  const timer = setTimeout(() => resolver.cancel(), timeoutMs);
  try {
    return await Promise.any([
      resolver.resolve4(host).then((all) => all.map((address): Address => ({ address, family: 4 }))),
      resolver.resolve6(host).then((all) => all.map((address): Address => ({ address, family: 6 }))),
    ]);
  } catch {
    return [];
  } finally {
    clearTimeout(timer);
    resolver.cancel();
  }
}

function none(host: string, family: 0 | 4 | 6): KnockError {
  const kind = family === 0 ? '' : ` IPv${family}`;
  return new KnockError('NETWORK', `"${host}" has no${kind} address`, {
    hint: family === 0 ? 'check the name' : `try without -${family}`,
  });
}
