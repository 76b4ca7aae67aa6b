/**
 * Runs the firewall contract, and what only firewalld does, in namespaces of its own: the *-inside.ts file is started there.
 * Here only whether it could be, and what came out. One file for each backend: they run side by side.
 */
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { needsPatience, needsRoot, runInside } from '../../support/host/inside-namespaces.ts';

test('the firewall contract holds for firewalld', (t) => {
  if (needsPatience(t) || needsRoot(t)) return;
  runInside(t, fileURLToPath(new URL('./firewall-firewalld-inside.ts', import.meta.url)), {
    atLeast: 15,
    mounts: true,
    timeoutMs: 600_000,
  });
});
