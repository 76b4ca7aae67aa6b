/**
 * Runs the firewall contract, and what only some backends do, in namespaces of its own: the *-inside.ts files are started
 * there. Here only whether they could be, and what came out.
 */
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runInside } from '../support/inside-namespaces.ts';

const inside = (name: string) => fileURLToPath(new URL(`./${name}-inside.ts`, import.meta.url));

test('the firewall contract holds for nftables through libnftables and nft, and for commands', (t) => {
  runInside(t, inside('firewall'), { atLeast: 40 });
});

test('the firewall contract holds for iptables of both flavours, with and without ipset', (t) => {
  runInside(t, inside('firewall-iptables'), { atLeast: 40 });
});

/** Buses and ufw change to other users and judge owners of files, which a user namespace of one user does not have. */
function needsRoot(t: TestContext): boolean {
  const isRoot =
    process.getuid?.() === 0 && /^\s*0\s+0\s+4294967295$/m.test(readFileSync('/proc/self/uid_map', 'utf8'));
  if (!isRoot && process.env['CI'] !== 'true') t.skip('only root can give such programs an /etc of their own');
  return !isRoot && process.env['CI'] !== 'true';
}

test('the firewall contract holds for ufw', (t) => {
  if (needsRoot(t)) return;
  runInside(t, inside('firewall-ufw'), { atLeast: 15, mounts: true });
});

test('the firewall contract holds for firewalld', (t) => {
  if (needsRoot(t)) return;
  runInside(t, inside('firewall-firewalld'), { atLeast: 15, mounts: true, timeoutMs: 600_000 });
});

test('the firewall contract holds for TCP Wrappers, at services that are started by tcpd', (t) => {
  if (needsRoot(t)) return;
  runInside(t, inside('firewall-wrappers'), { atLeast: 15, mounts: true });
});
