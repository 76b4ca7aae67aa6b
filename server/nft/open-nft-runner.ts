/** Opens the nft runner of this process: libnftables, else the nft program; without CAP_NET_ADMIN one that refuses. */
import { readFileSync } from 'node:fs';
import { openLibnftables } from './libnftables.ts';
import { NftProcess } from './nft-process.ts';
import { type NftRunner, refusal } from './nft-runner.ts';

/** CAP_NET_ADMIN, capabilities(7). */
const NET_ADMIN = 1n << 12n;

/**
 * Opens libnftables if koffi and the library are installed, otherwise the nft program (about twenty times slower). Never
 * rejects: when both are missing, the first script fails.
 */
export async function openNftRunner(): Promise<NftRunner> {
  if (!mayChangeFirewall()) return refusing;
  return (await openLibnftables()) ?? new NftProcess();
}

/** Refuses every script. Daemons with command doors may lack CAP_NET_ADMIN, and the library would print each refusal. */
const refusing: NftRunner = {
  via: 'nothing',
  run: () => Promise.reject(refusal('Operation not permitted')),
  list: () => Promise.reject(refusal('Operation not permitted')),
  close: () => {},
};

function mayChangeFirewall(): boolean {
  try {
    const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1];
    return effective === undefined || (BigInt(`0x${effective}`) & NET_ADMIN) !== 0n;
  } catch {
    // Not Linux: the firewall itself will report the error.
    return true;
  }
}
