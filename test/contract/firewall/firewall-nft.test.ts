/**
 * Runs the firewall contract and the tests of nftables and commands alone: starts the *-inside.ts file in its own
 * namespaces and reports its result. One file for each backend, so that they run in parallel.
 */
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runInside } from '../../support/host/inside-namespaces.ts';

test('the firewall contract holds for nftables through libnftables and nft, and for commands', (t) => {
  runInside(t, fileURLToPath(new URL('./firewall-inside.ts', import.meta.url)), { atLeast: 40 });
});
