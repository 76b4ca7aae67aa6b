/** Opens a door like a daemon that is killed right afterwards: PORT SOURCE DURATION_MS [once]. */
import assert from 'node:assert/strict';
import { NftablesFirewall } from '../../../server/firewall/nftables/nftables.ts';
import { openNftRunner } from '../../../server/nft/open-nft-runner.ts';
import { addressKey } from '../../../shared/address.ts';

const [port, text = '', duration, once] = process.argv.slice(2);
const source = addressKey(text) ?? assert.fail();
const services = [{ protocol: 'tcp', port: Number(port) }] as const;
const door = { name: 'a', action: { kind: 'nftables', services, once: once === 'once' } } as const;
const firewall = new NftablesFirewall(await openNftRunner());
await firewall.prepare([door], []);
await firewall.open(door, source, Number(duration));
process.kill(process.pid, 'SIGKILL');
