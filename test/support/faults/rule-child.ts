/**
 * Opens one door by a given backend, reports it, and is killed without a chance to clean up: KIND PORT SOURCE
 * MILLISECONDS.
 */
import { once } from 'node:events';
import type { ServiceKind } from '../../../server/firewall/firewall.ts';
import { IptablesTable } from '../../../server/firewall/rules/iptables.ts';
import { RuleFirewall } from '../../../server/firewall/rules/rule-firewall.ts';
import type { RuleTable } from '../../../server/firewall/rules/rule-table.ts';
import { UfwTable } from '../../../server/firewall/rules/ufw.ts';
import { HostsAllowTable } from '../../../server/firewall/wrappers/hosts-allow.ts';
import { addressKey } from '../../../shared/address.ts';

const [kind = '', port, source = '', durationMs] = process.argv.slice(2);
const tables: Readonly<Record<string, () => RuleTable>> = {
  'iptables-nft': () => new IptablesTable({ flavour: 'nft' }),
  'iptables-legacy': () => new IptablesTable({ flavour: 'legacy' }),
  ufw: () => new UfwTable(),
  'hosts.allow': () => new HostsAllowTable(),
};
const table = tables[kind]?.();
const key = addressKey(source);
if (table === undefined || key === undefined) throw new Error(`what is ${kind} ${source}?`);
const services = [{ protocol: 'tcp' as const, port: Number(port) }];
const wrapped = { kind: 'hosts.allow', service: `door-${port}` } as const;
const action = table.kind === 'hosts.allow' ? wrapped : { kind: table.kind as ServiceKind, services };
const door = { name: 'a', action };
const firewall = new RuleFirewall(table);
await firewall.prepare([door], []);
await firewall.open(door, key, Number(durationMs));
process.kill(process.pid, 'SIGKILL');
await once(process, 'never');
