/**
 * Runs one operation of the built table of TCP Wrappers, for disk faults: `FILE add|remove|prepare SERVICE ADDRESS`.
 */
import { HostsAllowTable } from '../../../dist/server/firewall/wrappers/hosts-allow.js';
import { addressKey } from '../../../dist/shared/address.js';

const [file, verb, service, source] = process.argv.slice(2);
const table = new HostsAllowTable(file);
const rule = { place: `${service}:${file}`, source: addressKey(source ?? '') };
try {
  if (verb === 'add') await table.add(rule);
  else if (verb === 'remove') await table.remove(rule);
  else await table.prepare([], []);
} catch (error) {
  process.stderr.write(`error: ${error.code} ${error.message}\n`);
  process.exitCode = 1;
}
