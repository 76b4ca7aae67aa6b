/**
 * Reads from /proc/net the TCP sessions at the doors' ports. Connection tracking does not know sessions that are older
 * than its first rule, and takes their next packet for a new connection. So each backend lets these sessions through.
 */
import { createReadStream } from 'node:fs';
import { endianness } from 'node:os';
import { createInterface } from 'node:readline';
import { type AddressKey, addressKeyOfBytes } from '../../shared/address.ts';

/** One session: only packets with these two addresses and two ports belong to it. */
export interface OlderSession {
  readonly source: AddressKey;
  readonly sourcePort: number;
  readonly target: AddressKey;
  readonly port: number;
}

/**
 * Seconds of silence after which such a session counts as ended: as long as connection tracking keeps an established
 * session (nf_conntrack_tcp_timeout_established).
 */
export const OLDER_SESSION_SECONDS = 432_000;

/** The most sessions that are read: enough for a busy machine, and a limit to what an attacker can add. */
const MAX_SESSIONS = 65_536;

/**
 * States of net/tcp_states.h in which data still passes: ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT, LAST_ACK,
 * CLOSING. Not SYN_RECV: a single SYN is not a session.
 */
export const LIVE_STATES: ReadonlySet<string> = new Set(['01', '04', '05', '08', '09', '0B']);

/** The sessions at these ports; empty where /proc cannot be read. */
export async function olderSessions(ports: ReadonlySet<number>, directory = '/proc/net'): Promise<OlderSession[]> {
  const sessions: OlderSession[] = [];
  if (ports.size === 0) return sessions;
  for (const file of ['tcp', 'tcp6']) {
    try {
      for await (const line of createInterface({ input: createReadStream(`${directory}/${file}`) })) {
        const session = parseSession(line);
        if (session !== undefined && ports.has(session.port)) sessions.push(session);
        if (sessions.length === MAX_SESSIONS) return sessions;
      }
    } catch {
      // A kernel without IPv6 has no tcp6. Without /proc, a session stalls until this host sends a packet in it.
    }
  }
  return sessions;
}

/**
 * Parses a line of proc(5): `sl local_address rem_address st`, with addresses in words of this machine's byte order.
 */
export function parseSession(line: string, bytes: 'LE' | 'BE' = endianness()): OlderSession | undefined {
  const fields =
    /^\s*\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) ([0-9A-F]{2}) /.exec(
      line,
    );
  if (fields === null) return undefined;
  const [, target = '', port = '', source = '', sourcePort = '', state = ''] = fields;
  if (!LIVE_STATES.has(state)) return undefined;
  return {
    source: addressOf(source, bytes),
    sourcePort: Number.parseInt(sourcePort, 16),
    target: addressOf(target, bytes),
    port: Number.parseInt(port, 16),
  };
}

function addressOf(hex: string, bytes: 'LE' | 'BE'): AddressKey {
  const buffer = Buffer.from(hex, 'hex');
  return addressKeyOfBytes(Uint8Array.from(bytes === 'LE' ? buffer.swap32() : buffer));
}
