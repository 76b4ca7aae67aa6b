/** Reads the interface of the default route from Linux's tables in /proc/net. */
import { readFileSync } from 'node:fs';

/** RTF_UP of linux/route.h. */
const ROUTE_UP = 0x1;
const ANY_IPV6 = '0'.repeat(32);

/** The text of /proc/net/route and /proc/net/ipv6_route; empty if the system has none. */
export interface RouteTables {
  readonly ipv4: string;
  readonly ipv6: string;
}

export function readRouteTables(): RouteTables {
  return { ipv4: readOrEmpty('/proc/net/route'), ipv6: readOrEmpty('/proc/net/ipv6_route') };
}

/** The interface of the default route with the lowest metric, IPv4 first; undefined without a default route. */
export function defaultInterface({ ipv4, ipv6 }: RouteTables): string | undefined {
  return lowestMetric(rowsOf(ipv4).flatMap(ipv4Default)) ?? lowestMetric(rowsOf(ipv6).flatMap(ipv6Default));
}

interface DefaultRoute {
  readonly name: string;
  readonly metric: number;
}

/** Iface Destination Gateway Flags RefCnt Use Metric Mask ...; hexadecimal except the metric. */
function ipv4Default(columns: readonly string[]): DefaultRoute[] {
  const [name = '', destination, , flags = '', , , metric = '', mask] = columns;
  if (destination !== '00000000' || mask !== '00000000') return [];
  if ((Number.parseInt(flags, 16) & ROUTE_UP) === 0) return [];
  return [{ name, metric: Number.parseInt(metric, 10) }];
}

/** Destination, its length, source, its length, gateway, metric, references, use, flags, interface; all hexadecimal. */
function ipv6Default(columns: readonly string[]): DefaultRoute[] {
  const [destination, length, , , , metric = '', , , flags = '', name = ''] = columns;
  // The kernel keeps a null default route on lo.
  if (destination !== ANY_IPV6 || length !== '00' || name === 'lo') return [];
  if ((Number.parseInt(flags, 16) & ROUTE_UP) === 0) return [];
  return [{ name, metric: Number.parseInt(metric, 16) }];
}

function lowestMetric(routes: readonly DefaultRoute[]): string | undefined {
  return routes.toSorted((a, b) => a.metric - b.metric)[0]?.name;
}

function rowsOf(table: string): string[][] {
  return table.split('\n').map((row) => row.trim().split(/\s+/));
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
