/** Which way to nftables this process has: the library when it can be loaded, else the program; none without the right. */
import { readFileSync } from 'node:fs';
import { openLibnftables } from './libnftables.ts';
import { NftProcess } from './nft-process.ts';
import { type NftRunner, refusal } from './nft-runner.ts';

/** CAP_NET_ADMIN, capabilities(7). */
const NET_ADMIN = 1n << 12n;

/**
 * libnftables where koffi and the library are there, the nft program otherwise (some twenty times slower). Never
 * rejects: that neither is there is said by the first script.
 */
export async function openNftRunner(): Promise<NftRunner> {
  if (!mayChangeFirewall()) return withoutRight;
  return (await openLibnftables()) ?? new NftProcess();
}

/** A daemon of command doors may have no right at all. The library would say so on our standard error, each time. */
const withoutRight: NftRunner = {
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
    // Not Linux: whoever asks is told by the firewall.
    return true;
  }
}
