/**
 * Runs the firewall contract, and what only TCP Wrappers does, in namespaces of its own: the *-inside.ts file is started there.
 * Here only whether it could be, and what came out. One file for each backend: they run side by side.
 */
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { needsRoot, runInside } from '../../support/host/inside-namespaces.ts';

test('the firewall contract holds for TCP Wrappers, at services that are started by tcpd', (t) => {
  if (needsRoot(t)) return;
  runInside(t, fileURLToPath(new URL('./firewall-wrappers-inside.ts', import.meta.url)), { atLeast: 15, mounts: true });
});
