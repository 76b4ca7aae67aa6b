/** Which way to nftables this machine has: the library when it can be loaded, else the program. */
import { openLibnftables } from './libnftables.ts';
import { NftProcess } from './nft-process.ts';
import type { NftRunner } from './nft-runner.ts';

/**
 * libnftables where koffi and the library are there, the nft program otherwise (some twenty times slower). Never
 * rejects: that neither is there is said by the first script.
 */
export async function openNftRunner(): Promise<NftRunner> {
  return (await openLibnftables()) ?? new NftProcess();
}
