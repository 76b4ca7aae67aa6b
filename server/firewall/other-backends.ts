/** Makes the backends that need no connection to the kernel, one for each kind of door. */
import type { NftRunner } from '../nft/nft-runner.ts';
import { CommandFirewall } from './command-doors.ts';
import type { Backends } from './doors-firewall.ts';
import { FirewalldTable } from './rules/firewalld.ts';
import { IpfwTable } from './rules/ipfw.ts';
import { IptablesTable } from './rules/iptables.ts';
import { PfTable } from './rules/pf.ts';
import { RuleFirewall } from './rules/rule-firewall.ts';
import { UfwTable } from './rules/ufw.ts';
import { UnguardedDoors } from './unguarded.ts';
import { HostsAllowTable } from './wrappers/hosts-allow.ts';

export interface BackendOptions {
  /** Also guards connections over `lo`, where the guard is ours. */
  readonly guardLoopback: boolean;
  /** Lists the rules of other programs. */
  readonly nft: NftRunner;
}

/** All backends but nftables: its caller has to close a connection to the kernel. */
export function otherBackends({ guardLoopback, nft }: BackendOptions): Backends {
  return {
    iptables: new RuleFirewall(new IptablesTable({ guardLoopback })),
    ufw: new RuleFirewall(new UfwTable()),
    firewalld: new RuleFirewall(new FirewalldTable(nft)),
    ipfw: new RuleFirewall(new IpfwTable()),
    pf: new RuleFirewall(new PfTable()),
    'hosts.allow': new RuleFirewall(new HostsAllowTable()),
    command: new CommandFirewall(),
    service: new UnguardedDoors(),
  };
}
