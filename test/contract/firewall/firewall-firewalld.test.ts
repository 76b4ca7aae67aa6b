/**
 * Runs the firewall contract and the tests of firewalld alone: starts the *-inside.ts file in its own namespaces and
 * reports its result. One file for each backend, so that they run in parallel.
 */
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { needsPatience, needsRoot, runInside } from '../../support/host/inside-namespaces.ts';

test('the firewall contract holds for firewalld', (t) => {
  if (needsPatience(t) || needsRoot(t)) return;
  runInside(t, fileURLToPath(new URL('./firewall-firewalld-inside.ts', import.meta.url)), {
    atLeast: 35,
    mounts: true,
    timeoutMs: 600_000,
  });
});
