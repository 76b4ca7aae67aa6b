/**
 * Runs the firewall contract and the tests of iptables alone: starts the *-inside.ts file in its own namespaces and
 * reports its result. One file for each backend, so that they run in parallel.
 */
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runInside } from '../../support/host/inside-namespaces.ts';

test('the firewall contract holds for iptables of both flavours, with and without ipset', (t) => {
  runInside(t, fileURLToPath(new URL('./firewall-iptables-inside.ts', import.meta.url)), { atLeast: 40 });
});
