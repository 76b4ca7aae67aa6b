/**
 * A knock: one packet to one (protocol, port). Reads and writes knocks as text (`8000`, `8000:udp`, knockd's grammar)
 * and packs them into one number for tables.
 */

export type Protocol = 'tcp' | 'udp';

export interface Knock {
  readonly protocol: Protocol;
  /** 1 to 65535. */
  readonly port: number;
}

/** A knock as one integer: the port, plus 65536 for UDP. The key of every table on the packet path. */
export type Pair = number;

export const PAIR_COUNT = 0x20000;

export function pairOf(protocol: Protocol, port: number): Pair {
  return protocol === 'udp' ? port + 0x10000 : port;
}

export function isUdp(pair: Pair): boolean {
  return pair >= 0x10000;
}

export function knockOf(pair: Pair): Knock {
  return isUdp(pair) ? { protocol: 'udp', port: pair - 0x10000 } : { protocol: 'tcp', port: pair };
}

/** `8000` for TCP, `8000:udp` for UDP, as in knockd's `sequence` and knock(1). */
export function formatKnock(knock: Knock): string {
  return knock.protocol === 'udp' ? `${knock.port}:udp` : `${knock.port}`;
}

export function formatSequence(knocks: readonly Knock[]): string {
  return knocks.map(formatKnock).join(' ');
}

/** A port from text: only decimal digits, 1 to 65535; undefined otherwise. (knockd reads `-5` as 65531.) */
export function parsePort(text: string): number | undefined {
  if (!/^[0-9]{1,5}$/.test(text)) return undefined;
  const port = Number(text);
  return port >= 1 && port <= 65535 ? port : undefined;
}
