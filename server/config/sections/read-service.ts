/** Reads a service on demand: a knock starts it, the daemon stops it when it is idle (`stop_when` and related keys). */
import type { ServiceTerms } from '../../demand/service-terms.ts';
import { type DoorAction, servicesOf } from '../../firewall/firewall.ts';
import { type CommandTerms, checkCommand, effectiveCommand } from './command-words.ts';
import type { DoorReader } from './read-action.ts';

const COMMANDS = ['start_command', 'stop_command'] as const;

/** Undefined when the door starts no service, or when a key is wrong; a problem then says why. */
export function readService(reader: DoorReader, action: DoorAction | undefined): ServiceTerms | undefined {
  const services = reader.services('service');
  const adopts = reader.switch('stop_any');
  if (!reader.has('stop_when')) {
    for (const key of ['service', 'stop_any'] as const) {
      if (reader.has(key)) reader.problem(key, 'the key has no effect without stop_when', 'write stop_when = idle 1h');
    }
    return undefined;
  }
  const idleMs = reader.idle('stop_when');
  const shell = reader.switch('shell');
  const runAs = reader.user('run_as');
  const timeout = reader.integer('command_timeout');
  const [start, stop] = COMMANDS.map((key) => readCommand(reader, key, { shell, shellKey: 'shell', runAs }));
  for (const key of ['start_command_6', 'stop_command_6'] as const) {
    if (reader.has(key)) reader.problem(key, 'a service starts for all sources alike', 'remove the line');
  }
  if (!reader.has('open')) {
    reader.warn(
      'stop_when',
      'nothing guards the ports: everyone can reach the service while it runs',
      'open = nftables tcp/22',
    );
  }
  const named = services ?? (action === undefined ? [] : servicesOf(action));
  const ports = named.filter(({ protocol }) => protocol === 'tcp').map(({ port }) => port);
  if (ports.length === 0 && !reader.has('service')) {
    const message = 'no TCP port shows whether the service is in use';
    reader.problem('service', message, 'write service = tcp/22');
  }
  if (idleMs === undefined || start === undefined || stop === undefined || ports.length === 0) return undefined;
  return {
    ...{ start, stop, ports, idleMs },
    ...(shell ? { shell } : {}),
    ...(runAs === undefined ? {} : { runAs }),
    ...(adopts ? { adopts } : {}),
    ...(timeout === undefined ? {} : { timeoutMs: timeout * 1000 }),
  };
}

function readCommand(reader: DoorReader, key: (typeof COMMANDS)[number], terms: CommandTerms): string | undefined {
  const command = effectiveCommand(reader.command(key), terms.shell);
  if (!command) {
    reader.problem(key, 'a service needs a start_command and a stop_command', `write ${key} = ...`);
    return undefined;
  }
  if (command.includes('%IP%')) {
    reader.problem(key, 'a service starts for all sources alike: its commands have no %IP%', 'remove %IP%');
    return undefined;
  }
  return checkCommand(reader, key, command, terms) ? command : undefined;
}
