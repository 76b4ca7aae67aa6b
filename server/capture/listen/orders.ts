/**
 * Orders of the daemon to the child with listening sockets: one line with a number and the ports that shall listen.
 */
import type { AddressKey } from '../../../shared/address.ts';
import type { PortOrder } from './listeners.ts';

export interface NumberedOrder extends PortOrder {
  /** 1 to 2^32 - 1; the answer repeats it. */
  readonly number: number;
}

/** The destination of a datagram, because the system does not tell to which address it was sent. */
export const UNKNOWN = '\0'.repeat(16) as AddressKey;

export function formatOrder({ number, tcp, udp }: NumberedOrder): string {
  return [number, tcp.join(','), udp.join(',')].join(' ');
}

/** Undefined for anything that {@link formatOrder} does not write. */
export function parseOrder(line: string): NumberedOrder | undefined {
  const words = /^([1-9][0-9]{0,9}) ([0-9,]*) ([0-9,]*)$/.exec(line);
  if (words === null) return undefined;
  const [number, tcp, udp] = [Number(words[1]), portsOf(words[2]), portsOf(words[3])];
  return tcp === undefined || udp === undefined ? undefined : { number, tcp, udp };
}

function portsOf(text = ''): readonly number[] | undefined {
  if (text === '') return [];
  const ports = text.split(',').map(Number);
  return ports.every((port) => port >= 1 && port <= 65_535) ? ports : undefined;
}
