/**
 * Records in a file of the state directory which firewalls of this machine knock-otpd has changed. Leftovers of an
 * earlier configuration are searched for in these firewalls only: a query to any other costs a second of every start. A
 * firewall is recorded before its first rule goes in. If the file is lost with the state, `knock-otpd flush` queries
 * all firewalls.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writePrivateFiles } from '../../shared/files/replace-file.ts';
import type { ActionKind } from './firewall.ts';

export interface TouchedFirewalls {
  has(kind: ActionKind): boolean;
  /** Never rejects: other code stops the daemon when the state cannot be written, and the guard must go up anyway. */
  note(kind: ActionKind): Promise<void>;
  forget(kind: ActionKind): Promise<void>;
}

export function touchedFirewalls(stateDir: string): TouchedFirewalls {
  const path = join(stateDir, 'firewalls');
  const kinds = new Set(readLines(path));
  const write = async () => {
    try {
      mkdirSync(stateDir, { recursive: true, mode: 0o700 });
      // Not write-file-atomic: with its signal handlers SIGXFSZ kills the process, so a full quota would end the
      // daemon.
      await writePrivateFiles([{ path, bytes: Buffer.from([...kinds].map((kind) => `${kind}\n`).join('')) }], true);
    } catch {
      // See note().
    }
  };
  return {
    // nftables answers in less than a millisecond: always queried.
    has: (kind) => kind === 'nftables' || kinds.has(kind),
    note: async (kind) => {
      if (kinds.has(kind)) return;
      kinds.add(kind);
      await write();
    },
    forget: async (kind) => {
      if (kinds.delete(kind)) await write();
    },
  };
}

function readLines(path: string): readonly string[] {
  try {
    return readFileSync(path, 'utf8').slice(0, 4_096).split('\n').filter(Boolean);
  } catch {
    return [];
  }
}
