/** The contract for nftables and for commands. Run by firewall-nft.test.ts inside a private network namespace. */
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { CommandFirewall } from '../../../server/firewall/command-doors.ts';
import { NftablesFirewall } from '../../../server/firewall/nftables/nftables.ts';
import { openLibnftables } from '../../../server/nft/libnftables.ts';
import { NftProcess } from '../../../server/nft/nft-process.ts';
import type { NftRunner } from '../../../server/nft/nft-runner.ts';
import { FirewallWorld, nft, PORTS } from '../../support/host/firewall-world.ts';
import { hasPatience } from '../../support/host/inside-namespaces.ts';
import { type FirewallUnderTest, firewallContract } from './firewall.ts';
import { conntrackTests } from './firewall-conntrack.ts';
import { nftablesTests } from './firewall-nftables.ts';
import { onceTests } from './firewall-once.ts';

let world: FirewallWorld | undefined;
before(async () => {
  world = await FirewallWorld.make();
});
after(() => world?.end());

function theWorld(): FirewallWorld {
  return world ?? assert.fail('the world is not made yet');
}

const library = await openLibnftables();
const runners: readonly NftRunner[] = [...(library === undefined ? [] : [library]), new NftProcess()];
if (process.env['CI'] !== undefined) assert(library !== undefined, 'libnftables or koffi is missing');

for (const runner of runners) {
  firewallContract(`nftables through ${runner.via}`, theWorld, {
    make: async () => new NftablesFirewall(runner),
    action: (port) => ({ kind: 'nftables', services: [{ protocol: 'tcp', port }] }),
    reset: () => void nft('flush ruleset'),
  });
  // Both runners get the same scripts; the other suites test the rest.
  if (runner === runners[0] || hasPatience()) {
    nftablesTests(theWorld, runner);
    conntrackTests(theWorld, runner);
    onceTests(theWorld, runner);
  }
}

/** Doors by command: the administrator's own rules, and commands that change his own sets. */
const commands: FirewallUnderTest = {
  make: async () => new CommandFirewall(),
  action: (port) => ({
    kind: 'command',
    start: `sh -c 'case %IP% in *:*) f=6;; *) f=4;; esac; exec nft create element inet world "p${port}v$f" "{ %IP% }"'`,
    stop: `sh -c 'case %IP% in *:*) f=6;; *) f=4;; esac; nft delete element inet world "p${port}v$f" "{ %IP% }" || true'`,
  }),
  reset: () => {
    const guarded = PORTS.slice(0, 2);
    const sets = guarded.flatMap((port) => [
      `set p${port}v4 { type ipv4_addr; }`,
      `set p${port}v6 { type ipv6_addr; }`,
    ]);
    const rules = guarded.flatMap((port) => [
      `ct state != established tcp dport ${port} ip saddr != @p${port}v4 drop`,
      `ct state != established tcp dport ${port} ip6 saddr != @p${port}v6 drop`,
    ]);
    nft(
      [
        'flush ruleset',
        'table inet world {',
        ...sets,
        'chain in { type filter hook input priority filter;',
        ...rules,
        '}',
        '}',
      ].join('\n'),
    );
  },
};
firewallContract('commands', theWorld, commands);
after(() => library?.close());
