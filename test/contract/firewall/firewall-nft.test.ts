/**
 * Runs the firewall contract, and what only nftables and commands does, in namespaces of its own: the *-inside.ts file is started there.
 * Here only whether it could be, and what came out. One file for each backend: they run side by side.
 */
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runInside } from '../../support/host/inside-namespaces.ts';

test('the firewall contract holds for nftables through libnftables and nft, and for commands', (t) => {
  runInside(t, fileURLToPath(new URL('./firewall-inside.ts', import.meta.url)), { atLeast: 40 });
});
