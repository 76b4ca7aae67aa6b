/** Parses addresses and networks of the configuration (RFC 4632, RFC 4291 section 2.3), and tests membership. */
import ipaddr from 'ipaddr.js';
import { type AddressKey, addressBytes, addressKey, isIpv4 } from '../../shared/address.ts';

export interface Network {
  /** As written in the file. */
  readonly text: string;
  /** The network's address: 4 or 16 bytes. */
  readonly bytes: readonly number[];
  /** The prefix length. */
  readonly bits: number;
}

/** `192.0.2.7`, `192.0.2.0/24`, `2001:db8::/32`; undefined for any other text. Ignores bits after the prefix. */
export function parseNetwork(text: string): Network | undefined {
  const [address = '', bits, ...rest] = text.split('/');
  const key = addressKey(address);
  // Refused: addressKey reads ::ffff:192.0.2.7 as IPv4, and fe80::1%eth0 without its zone.
  if (key === undefined || rest.length > 0 || address.includes('%') || (isIpv4(key) && address.includes(':'))) {
    return undefined;
  }
  const bytes = [...addressBytes(key)];
  const addressBits = bytes.length * 8;
  if (bits === undefined) return { text, bytes, bits: addressBits };
  return /^(0|[1-9][0-9]?[0-9]?)$/.test(bits) && Number(bits) <= addressBits
    ? { text, bytes, bits: Number(bits) }
    : undefined;
}

export function isInNetwork({ bytes, bits }: Network, source: AddressKey): boolean {
  const [address, network] = [addressBytes(source), bytes].map((each) => ipaddr.fromByteArray([...each]));
  return address !== undefined && network?.kind() === address.kind() && address.match(network, bits);
}
