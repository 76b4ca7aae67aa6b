/** The backends that need nothing opened first, each for its kind of door. */

import { CommandFirewall } from './command.ts';
import type { Backends } from './doors-firewall.ts';
import { FirewalldTable } from './firewalld.ts';
import { HostsAllowTable } from './hosts-allow.ts';
import { IpfwTable } from './ipfw.ts';
import { IptablesTable } from './iptables.ts';
import { PfTable } from './pf.ts';
import { RuleFirewall } from './rule-firewall.ts';
import { UfwTable } from './ufw.ts';
import { UnguardedDoors } from './unguarded.ts';

export interface BackendOptions {
  /** Guards connections over `lo` too, where the guard is ours. */
  readonly guardLoopback: boolean;
}

/** All but nftables, which has a connection to the kernel to close. */
export function otherBackends({ guardLoopback }: BackendOptions): Backends {
  return {
    iptables: new RuleFirewall(new IptablesTable({ guardLoopback })),
    ufw: new RuleFirewall(new UfwTable()),
    firewalld: new RuleFirewall(new FirewalldTable()),
    ipfw: new RuleFirewall(new IpfwTable()),
    pf: new RuleFirewall(new PfTable()),
    'hosts.allow': new RuleFirewall(new HostsAllowTable()),
    command: new CommandFirewall(),
    service: new UnguardedDoors(),
  };
}
