/** Reads how a door opens: by a firewall or by commands. Refuses keys that exclude each other, and unusable commands. */
import type { DoorAction } from '../../firewall/firewall.ts';
import { type CommandTerms, checkCommand, effectiveCommand } from './command-words.ts';
import type { doorKeys } from './schema.ts';
import type { SectionReader } from './section-reader.ts';

export type DoorReader = SectionReader<typeof doorKeys>;

const COMMANDS = ['start_command', 'start_command_6', 'stop_command', 'stop_command_6'] as const;
type CommandKey = (typeof COMMANDS)[number];
/** Keys that only commands use. */
const COMMAND_KEYS = [...COMMANDS, 'shell', 'run_as', 'command_timeout'] as const;

/** Undefined when there is no usable action; a problem then says why. */
export function readAction(reader: DoorReader): DoorAction | undefined {
  const action = readOpen(reader);
  // The commands are then those of a service, and `open` is allowed too: `read-service.ts` reads the commands.
  if (reader.has('stop_when')) return action ?? unguarded(reader);
  const shell = reader.switch('shell');
  const runAs = reader.user('run_as');
  const [start, start6, stop, stop6] = COMMANDS.map((key) => effectiveCommand(reader.command(key), shell));
  const timeout = reader.integer('command_timeout');
  if (reader.has('open')) {
    for (const key of COMMAND_KEYS.filter((candidate) => reader.has(candidate))) {
      reader.problem(key, 'a door opens by a firewall or by commands, not by both', 'remove open or the commands');
    }
    return action;
  }
  if (!start && !start6) {
    const stopOnly = stop || stop6 ? ' (stop_command alone opens nothing)' : '';
    const logOnly = start === '' ? '; a door that is only logged has start_command = /bin/true' : '';
    reader.problem(
      'open',
      `the door opens nothing${stopOnly}`,
      `write open = nftables tcp/22, or a start_command${logOnly}`,
    );
    return undefined;
  }
  for (const [key, command] of [
    ['start_command', start],
    ['start_command_6', start6],
    ['stop_command', stop],
    ['stop_command_6', stop6],
  ] as const) {
    if (command) checkDoorCommand(reader, key, command, { shell, shellKey: 'shell', runAs });
  }
  return {
    kind: 'command',
    // As in knockd, a door may have a command for IPv6 alone.
    start: start ?? '',
    ...(start6 === undefined ? {} : { start6 }),
    // An empty stop_command closes nothing, in knockd and here.
    ...(stop ? { stop } : {}),
    ...(stop6 === undefined ? {} : { stop6 }),
    ...(shell ? { shell } : {}),
    ...(runAs === undefined ? {} : { runAs }),
    ...(timeout === undefined ? {} : { timeoutMs: timeout * 1000 }),
  };
}

function unguarded(reader: DoorReader): DoorAction | undefined {
  const services = reader.services('service');
  return reader.has('open') || services === undefined ? undefined : { kind: 'service', services };
}

function readOpen(reader: DoorReader): DoorAction | undefined {
  const action = reader.open('open');
  if (!reader.switch('open_once')) return action;
  if (action?.kind === 'nftables') return { ...action, once: true };
  if (action !== undefined || !reader.has('open')) {
    const message = 'only nftables can admit exactly one connection';
    reader.problem('open_once', message, 'write open = nftables tcp/22, or remove open_once');
  }
  return action;
}

function checkDoorCommand(reader: DoorReader, key: CommandKey, command: string, terms: CommandTerms): void {
  if (!command.includes('%IP%')) {
    reader.warn(key, 'the command does not contain %IP%: it does the same for every source');
  }
  checkCommand(reader, key, command, terms);
}
