/** Parses where the daemon serves metrics: a loopback address with a port, or a Unix socket. */
import { addressBytes, addressKey, formatAddress, isIpv4 } from '../../shared/address.ts';

/** sun_path, unix(7). */
const MAX_PATH_BYTES = 107;

export type MetricsAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

export function formatMetricsAddress(address: MetricsAddress): string {
  if (address.kind === 'unix') return address.path;
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

export const METRICS_HINT = 'write 127.0.0.1:9469, [::1]:9469, or the absolute path of a socket';

/** The address, or a string that says what is wrong with `text`. */
export function parseMetricsAddress(text: string): MetricsAddress | string {
  if (text.startsWith('/')) {
    return Buffer.byteLength(text) > MAX_PATH_BYTES
      ? 'is longer than a socket path can be'
      : { kind: 'unix', path: text };
  }
  const [, ipv6, ipv4, digits = ''] = /^(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):([0-9]{1,5})$/.exec(text) ?? [];
  const key = addressKey(ipv6 ?? ipv4 ?? '');
  const port = Number(digits);
  if (key === undefined) return 'is not an address with a port';
  if (port < 1 || port > 65_535) return 'needs a port from 1 to 65535';
  // 127.0.0.0/8, RFC 1122 section 3.2.1.3, and ::1.
  const isLoopback = isIpv4(key) ? addressBytes(key)[0] === 127 : formatAddress(key) === '::1';
  if (!isLoopback) return 'is not a loopback address: metrics name doors and clients, and have no password';
  return { kind: 'tcp', host: formatAddress(key), port };
}
