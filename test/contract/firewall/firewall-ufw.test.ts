/**
 * Runs the firewall contract and the tests of ufw alone: starts the *-inside.ts file in its own namespaces and reports
 * its result. One file for each backend, so that they run in parallel.
 */
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { needsPatience, needsRoot, runInside } from '../../support/host/inside-namespaces.ts';

test('the firewall contract holds for ufw', (t) => {
  if (needsPatience(t) || needsRoot(t)) return;
  runInside(t, fileURLToPath(new URL('./firewall-ufw-inside.ts', import.meta.url)), { atLeast: 40, mounts: true });
});
