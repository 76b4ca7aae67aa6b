/**
 * What the last knock that worked looked like: where, how far away, when. It lies beside the used factors, holds no
 * secret, and nothing depends on it but how long the client looks before it knocks and what it says when a knock fails.
 */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import type { Owner } from '../deps.ts';
import { ensurePrivateFolder } from '../profiles/private-files.ts';

export interface LastSuccess {
  readonly address: string;
  readonly port: number;
  /** Milliseconds from SYN to SYN-ACK. */
  readonly rttMs: number;
  /** Unix milliseconds by this host's clock. */
  readonly atMs: number;
  /** The factor that opened. Records of earlier versions have none, nor what follows. */
  readonly factor?: number | undefined;
  /** This host's own address. */
  readonly from?: string | undefined;
}

export interface DoorMemory {
  /** Undefined when there was none, or its record is damaged. */
  last(): Promise<LastSuccess | undefined>;
  /** Never fails: a record that could not be written costs a factor or a word of advice. */
  remember(success: LastSuccess): Promise<void>;
}

/** @param folder of the profile's used factors */
export function doorMemory(folder: string, owner: Owner): DoorMemory {
  const path = join(folder, 'last-success');
  return {
    last: async () => {
      try {
        return parsed(await readFile(path, 'utf8'));
      } catch {
        return undefined;
      }
    },
    remember: async ({ rttMs, ...success }) => {
      const own = `${path}.${process.pid}`;
      try {
        await ensurePrivateFolder(folder, owner);
        await writeFile(own, `${JSON.stringify({ ...success, rttMs: Math.ceil(rttMs) })}\n`, { mode: 0o600 });
        await rename(own, path);
      } catch {
        // See above.
      }
    },
  };
}

function parsed(text: string): LastSuccess | undefined {
  const found = JSON.parse(text) as Partial<Record<keyof LastSuccess, unknown>> | null;
  const { address, port, rttMs, atMs, factor, from } = found ?? {};
  if (typeof address !== 'string' || isIP(address) === 0 || typeof port !== 'number') return undefined;
  if (typeof rttMs !== 'number' || typeof atMs !== 'number') return undefined;
  return {
    ...{ address, port, rttMs, atMs },
    ...(Number.isSafeInteger(factor) ? { factor: factor as number } : {}),
    // It comes back in a message.
    ...(typeof from === 'string' && isIP(from) !== 0 ? { from } : {}),
  };
}
