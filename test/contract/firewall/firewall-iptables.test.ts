/**
 * Runs the firewall contract, and what only iptables does, in namespaces of its own: the *-inside.ts file is started there.
 * Here only whether it could be, and what came out. One file for each backend: they run side by side.
 */
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runInside } from '../../support/host/inside-namespaces.ts';

test('the firewall contract holds for iptables of both flavours, with and without ipset', (t) => {
  runInside(t, fileURLToPath(new URL('./firewall-iptables-inside.ts', import.meta.url)), { atLeast: 40 });
});
