/**
 * Runs the firewall contract and the tests of TCP Wrappers alone: starts the *-inside.ts file in its own namespaces and
 * reports its result. One file for each backend, so that they run in parallel.
 */
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { needsRoot, runInside } from '../../support/host/inside-namespaces.ts';

test('the firewall contract holds for TCP Wrappers, at services that are started by tcpd', (t) => {
  if (needsRoot(t)) return;
  runInside(t, fileURLToPath(new URL('./firewall-wrappers-inside.ts', import.meta.url)), { atLeast: 15, mounts: true });
});
