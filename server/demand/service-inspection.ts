/**
 * Reads the state of services from this machine: listeners and connections (/proc/net/tcp and tcp6), the last login
 * (wtmp) and the boot id. Unreadable connections are an error, never "no connection".
 */
import { open, readFile } from 'node:fs/promises';
import { LIVE_STATES } from '../firewall/older-sessions.ts';

export interface PortUse {
  readonly listening: boolean;
  readonly connections: number;
}

/** One reading of all ports. */
export interface ServiceReadings {
  /** Without an entry for unused ports. */
  readonly uses: ReadonlyMap<number, PortUse>;
  /** Unix milliseconds; undefined where logins are not recorded, or there was none. */
  readonly lastLogin: number | undefined;
}

/** State of net/tcp_states.h. */
const LISTEN = '0A';
const LINE = /^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} ([0-9A-F]{2}) /;

const WTMP = '/var/log/wtmp';
/** struct utmp of utmp.h with 32-bit times, and how many records are read from the end of the file. */
const RECORD_BYTES = 384;
const RECORDS = 64;
const TYPE_AT = 0;
const SECONDS_AT = 340;
const USER_PROCESS = 7;
const KNOWN_LAYOUT: ReadonlySet<string> = new Set(['x64', 'ia32', 'arm']);

/** Rejects when the connections cannot be read. Unreadable logins count as none. */
export async function readServices(ports: ReadonlySet<number>): Promise<ServiceReadings> {
  const uses = await readPortUses(ports);
  return { uses, lastLogin: await readLastLogin().catch(() => undefined) };
}

/** Rejects when a file cannot be read, except a missing tcp6: the kernel may have no IPv6. */
export async function readPortUses(
  ports: ReadonlySet<number>,
  directory = '/proc/net',
): Promise<ReadonlyMap<number, PortUse>> {
  const uses = new Map<number, PortUse>();
  for (const file of ['tcp', 'tcp6']) {
    try {
      for (const line of (await readFile(`${directory}/${file}`, 'latin1')).split('\n')) {
        const [, hex = '', state = ''] = LINE.exec(line) ?? [];
        const port = Number.parseInt(hex, 16);
        if (!ports.has(port)) continue;
        const { listening, connections } = uses.get(port) ?? { listening: false, connections: 0 };
        const isLive = LIVE_STATES.has(state);
        uses.set(port, {
          listening: listening || state === LISTEN,
          connections: connections + (isLive ? 1 : 0),
        });
      }
    } catch (error) {
      if (file === 'tcp6' && (error as NodeJS.ErrnoException).code === 'ENOENT') continue;
      throw error;
    }
  }
  return uses;
}

/** The last login on a terminal, in Unix milliseconds. Rejects when the file is missing. */
export async function readLastLogin(path = WTMP, architecture: string = process.arch): Promise<number | undefined> {
  if (!KNOWN_LAYOUT.has(architecture)) return undefined;
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const whole = Math.floor(size / RECORD_BYTES);
    const count = Math.min(whole, RECORDS);
    const bytes = Buffer.alloc(count * RECORD_BYTES);
    const { bytesRead } = await file.read(bytes, 0, bytes.length, (whole - count) * RECORD_BYTES);
    let last: number | undefined;
    for (let at = 0; at + RECORD_BYTES <= bytesRead; at += RECORD_BYTES) {
      if (bytes.readInt16LE(at + TYPE_AT) !== USER_PROCESS) continue;
      last = Math.max(last ?? 0, bytes.readUInt32LE(at + SECONDS_AT) * 1000);
    }
    return last;
  } finally {
    await file.close();
  }
}

/** Changes with every boot of the machine; undefined where the kernel has no boot id. */
export async function readBootId(): Promise<string | undefined> {
  const text = await readFile('/proc/sys/kernel/random/boot_id', 'latin1').catch(() => '');
  return text.trim() || undefined;
}
