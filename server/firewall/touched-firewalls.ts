/**
 * Which of this machine's firewalls we have put something into, kept in a file of the state directory: what an earlier
 * configuration left is looked for there and nowhere else, since asking a firewall that was never ours costs a second of
 * every start. Noted before the first rule goes in. Where the note is lost with the state, `knock-otpd flush` asks all.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writePrivateFiles } from '../../shared/files/replace-file.ts';
import type { ActionKind } from './firewall.ts';

export interface TouchedFirewalls {
  has(kind: ActionKind): boolean;
  /** Never rejects: a state that cannot be written stops the daemon elsewhere, and a guard must go up all the same. */
  note(kind: ActionKind): Promise<void>;
  forget(kind: ActionKind): Promise<void>;
}

export function touchedFirewalls(stateDir: string): TouchedFirewalls {
  const path = join(stateDir, 'firewalls');
  const kinds = new Set(readLines(path));
  const write = async () => {
    try {
      mkdirSync(stateDir, { recursive: true, mode: 0o700 });
      // Not by write-file-atomic: its signal handlers leave SIGXFSZ deadly, and a full quota would end the daemon.
      await writePrivateFiles([{ path, bytes: Buffer.from([...kinds].map((kind) => `${kind}\n`).join('')) }], true);
    } catch {
      // See note().
    }
  };
  return {
    // nftables answers in a fraction of a millisecond: asked always.
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
