/**
 * Runs the firewall contract, and what only some backends do, in namespaces of its own: the *-inside.ts files are started
 * there. Here only whether they could be, and what came out.
 */
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runInside } from '../support/inside-namespaces.ts';

const inside = (name: string) => fileURLToPath(new URL(`./${name}-inside.ts`, import.meta.url));

test('the firewall contract holds for nftables through libnftables and nft, and for commands', (t) => {
  runInside(t, inside('firewall'), { atLeast: 40 });
});

test('the firewall contract holds for iptables of both flavours, with and without ipset', (t) => {
  runInside(t, inside('firewall-iptables'), { atLeast: 40 });
});

test('the firewall contract holds for ufw', (t) => {
  runInside(t, inside('firewall-ufw'), { atLeast: 15, mounts: true });
});

test('the firewall contract holds for firewalld', (t) => {
  runInside(t, inside('firewall-firewalld'), { atLeast: 15, mounts: true, timeoutMs: 600_000 });
});

test('the firewall contract holds for TCP Wrappers, at services that are started by tcpd', (t) => {
  runInside(t, inside('firewall-wrappers'), { atLeast: 15, mounts: true });
});
