/**
 * Runs the firewall contract, and what only ufw does, in namespaces of its own: the *-inside.ts file is started there.
 * Here only whether it could be, and what came out. One file for each backend: they run side by side.
 */
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { needsPatience, needsRoot, runInside } from '../../support/host/inside-namespaces.ts';

test('the firewall contract holds for ufw', (t) => {
  if (needsPatience(t) || needsRoot(t)) return;
  runInside(t, fileURLToPath(new URL('./firewall-ufw-inside.ts', import.meta.url)), { atLeast: 15, mounts: true });
});
