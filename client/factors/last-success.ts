/**
 * The record of the last knock that worked: address, round trip, time. It is a file next to the used factors and holds
 * no secret. It only decides how long the client looks before it knocks, and what the checks say when a knock fails.
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
  /** The factor that opened. Records of earlier versions lack this and the next field. */
  readonly factor?: number | undefined;
  /** This host's own address. */
  readonly from?: string | undefined;
}

export interface DoorMemory {
  /** Undefined when there is no record, or it is damaged. */
  last(): Promise<LastSuccess | undefined>;
  /** Never fails: without a record, a later run may spend a factor more or give one finding less. */
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
      const temporary = `${path}.${process.pid}`;
      try {
        await ensurePrivateFolder(folder, owner);
        await writeFile(temporary, `${JSON.stringify({ ...success, rttMs: Math.ceil(rttMs) })}\n`, { mode: 0o600 });
        await rename(temporary, path);
      } catch {
        // The record is not necessary.
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
    // It appears in a message.
    ...(typeof from === 'string' && isIP(from) !== 0 ? { from } : {}),
  };
}
