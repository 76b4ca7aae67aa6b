/**
 * The TCP sessions that this host's kernel has at a door's ports, read from /proc/net: connection tracking knows none of
 * those that are older than its first rule, and takes their next packet for a new connection. Reads only; what is done
 * for them stands with each backend.
 */
import { createReadStream } from 'node:fs';
import { endianness } from 'node:os';
import { createInterface } from 'node:readline';
import { type AddressKey, addressKeyOfBytes } from '../../shared/address.ts';

/** One session: packets of exactly these four. */
export interface OlderSession {
  readonly source: AddressKey;
  readonly sourcePort: number;
  readonly target: AddressKey;
  readonly port: number;
}

/**
 * Seconds that such a session may be silent before it is taken for ended: as long as connection tracking itself keeps an
 * established one (nf_conntrack_tcp_timeout_established).
 */
export const OLDER_SESSION_SECONDS = 432_000;

/** Sessions that one table holds at most: what a busy machine has at guarded ports, not what an attacker may add to. */
const MAX_SESSIONS = 65_536;

/**
 * States of net/tcp_states.h in which data still passes: ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT, LAST_ACK, CLOSING.
 * Not SYN_RECV: whoever has only sent a SYN is no session.
 */
export const LIVE_STATES: ReadonlySet<string> = new Set(['01', '04', '05', '08', '09', '0B']);

/** Empty where /proc cannot be read. */
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
      // A kernel without IPv6 has no tcp6; without /proc the sessions go on once the host says something in them.
    }
  }
  return sessions;
}

/** A line as in proc(5): `sl local_address rem_address st`, addresses as words of this machine's byte order. */
export function parseSession(line: string, bytes: 'LE' | 'BE' = endianness()): OlderSession | undefined {
  const found =
    /^\s*\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) ([0-9A-F]{2}) /.exec(
      line,
    );
  if (found === null) return undefined;
  const [, target = '', port = '', source = '', sourcePort = '', state = ''] = found;
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
