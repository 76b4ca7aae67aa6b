/** Addresses and networks as an administrator writes them (RFC 4632, RFC 4291 section 2.3), and who is in one. */
import ipaddr from 'ipaddr.js';
import { type AddressKey, addressBytes, addressKey, isIpv4 } from '../../shared/address.ts';

export interface Network {
  /** As it was written. */
  readonly text: string;
  /** Of the network's address, 4 or 16. */
  readonly bytes: readonly number[];
  /** Of these, the bits that say who is in it. */
  readonly bits: number;
}

/** `192.0.2.7`, `192.0.2.0/24`, `2001:db8::/32`; undefined for anything else. Bits behind the prefix do not count. */
export function parseNetwork(text: string): Network | undefined {
  const [address = '', bits, ...rest] = text.split('/');
  const key = addressKey(address);
  // ::ffff:192.0.2.7 and fe80::1%eth0 would be taken for something else than was meant.
  if (key === undefined || rest.length > 0 || address.includes('%') || (isIpv4(key) && address.includes(':'))) {
    return undefined;
  }
  const bytes = [...addressBytes(key)];
  const most = bytes.length * 8;
  if (bits === undefined) return { text, bytes, bits: most };
  return /^(0|[1-9][0-9]?[0-9]?)$/.test(bits) && Number(bits) <= most ? { text, bytes, bits: Number(bits) } : undefined;
}

export function isInNetwork({ bytes, bits }: Network, source: AddressKey): boolean {
  const [address, network] = [addressBytes(source), bytes].map((each) => ipaddr.fromByteArray([...each]));
  return address !== undefined && network?.kind() === address.kind() && address.match(network, bits);
}
