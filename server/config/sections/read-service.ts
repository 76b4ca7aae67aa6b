/** A service that a door starts and that is stopped when it is idle: `stop_when`, and what goes with it. */
import type { ServiceTerms } from '../../demand/service-terms.ts';
import { type DoorAction, servicesOf } from '../../firewall/firewall.ts';
import { commandProblem } from './command-words.ts';
import type { DoorReader } from './read-action.ts';

const COMMANDS = ['start_command', 'stop_command'] as const;

/** Undefined where the door starts no service, or what is written cannot be used: then a problem says why. */
export function readService(reader: DoorReader, action: DoorAction | undefined): ServiceTerms | undefined {
  const services = reader.services('service');
  const adopts = reader.switch('stop_any');
  if (!reader.has('stop_when')) {
    for (const key of ['service', 'stop_any'] as const) {
      if (reader.has(key)) reader.problem(key, 'the key means nothing without stop_when', 'write stop_when = idle 1h');
    }
    return undefined;
  }
  const idleMs = reader.idle('stop_when');
  const shell = reader.switch('shell');
  const runAs = reader.user('run_as');
  const [start, stop] = COMMANDS.map((key) => readCommand(reader, key, shell));
  for (const key of ['start_command_6', 'stop_command_6'] as const) {
    if (reader.has(key)) reader.problem(key, 'a service is started for everyone, whoever knocks', 'take the line out');
  }
  if (!reader.has('open')) {
    reader.warn(
      'stop_when',
      'nothing guards the ports: whoever comes while the service runs reaches it',
      'open = nftables tcp/22',
    );
  }
  const named = services ?? (action === undefined ? [] : servicesOf(action));
  const ports = named.filter(({ protocol }) => protocol === 'tcp').map(({ port }) => port);
  if (ports.length === 0 && !reader.has('service')) {
    const message = 'nothing says by which connections the service is in use';
    reader.problem('service', message, 'write service = tcp/22');
  }
  if (idleMs === undefined || start === undefined || stop === undefined || ports.length === 0) return undefined;
  return {
    ...{ start, stop, ports, idleMs },
    ...(shell ? { shell } : {}),
    ...(runAs === undefined ? {} : { runAs }),
    ...(adopts ? { adopts } : {}),
  };
}

function readCommand(reader: DoorReader, key: (typeof COMMANDS)[number], shell: boolean): string | undefined {
  const command = reader.command(key);
  if (!command) {
    reader.problem(key, 'a service takes a command to start it and one to stop it', `write ${key} = ...`);
    return undefined;
  }
  if (command.includes('%IP%')) {
    reader.problem(key, 'a service is started for everyone: there is no %IP% in its commands', 'take %IP% out');
    return undefined;
  }
  const problem = commandProblem(command, shell, 'shell');
  if (problem === undefined) return command;
  reader.problem(key, problem.message, problem.hint);
  return undefined;
}
