/**
 * IP addresses as the packet path needs them: a key of 16 characters, one for each byte, with IPv4 as its mapped IPv6
 * form. Equal addresses are equal strings and hashing is cheap. Addresses are formatted only for people and firewalls.
 * ipaddr.js parses and prints the text forms.
 */
import ipaddr from 'ipaddr.js';

/** 16 characters of code 0 to 255. IPv4 is ::ffff:a.b.c.d; the decoder refuses IPv6 packets with such an address. */
export type AddressKey = string & { readonly __addressKey: never };

const MAPPED_PREFIX = `${'\0'.repeat(10)}\xff\xff`;

/**
 * The key of an address text; undefined for other text. Drops a zone (`%eth0`), which means nothing on another host.
 */
export function addressKey(text: string): AddressKey | undefined {
  const bare = text.split('%', 1)[0] ?? '';
  if (!ipaddr.isValid(bare) || (!bare.includes(':') && !ipaddr.IPv4.isValidFourPartDecimal(bare))) return undefined;
  return addressKeyOfBytes(Uint8Array.from(ipaddr.parse(bare).toByteArray()));
}

/** The key of 4 or 16 address bytes in network order. */
export function addressKeyOfBytes(bytes: Uint8Array): AddressKey {
  const text = String.fromCharCode(...bytes);
  return (bytes.length === 4 ? MAPPED_PREFIX + text : text) as AddressKey;
}

/** 4 bytes for IPv4, 16 for IPv6, network order. */
export function addressBytes(key: AddressKey): Uint8Array {
  const bytes = Uint8Array.from(key, (character) => character.charCodeAt(0));
  return isIpv4(key) ? bytes.slice(12) : bytes;
}

export function isIpv4(key: AddressKey): boolean {
  return key.startsWith(MAPPED_PREFIX);
}

/** `192.0.2.7`, or `2001:db8::7` in the form of RFC 5952. */
export function formatAddress(key: AddressKey): string {
  return ipaddr.fromByteArray([...addressBytes(key)]).toString();
}
