/** How a door opens: by a firewall, or by commands. What excludes what, and whether a command can be run as it stands. */
import type { DoorAction } from '../../firewall/firewall.ts';
import { commandProblem } from './command-words.ts';
import type { doorKeys } from './schema.ts';
import type { SectionReader } from './section-reader.ts';

export type DoorReader = SectionReader<typeof doorKeys>;

const COMMANDS = ['start_command', 'start_command_6', 'stop_command', 'stop_command_6'] as const;
type CommandKey = (typeof COMMANDS)[number];
/** Keys that mean something for commands only. */
const COMMAND_KEYS = [...COMMANDS, 'shell', 'run_as'] as const;

/** Undefined when there is none that could be carried out, and a problem says why. */
export function readAction(reader: DoorReader): DoorAction | undefined {
  const opened = readOpen(reader);
  // Its commands are then those of a service, and what guards it may stand beside them: read-service reads them.
  if (reader.has('stop_when')) return opened ?? unguarded(reader);
  const shell = reader.switch('shell');
  const runAs = reader.user('run_as');
  const [start, start6, stop, stop6] = COMMANDS.map((key) => reader.command(key));
  if (reader.has('open')) {
    for (const key of COMMAND_KEYS.filter((candidate) => reader.has(candidate))) {
      reader.problem(key, 'a door opens by a firewall or by commands, not by both', 'take out open, or the commands');
    }
    return opened;
  }
  if (!start && !start6) {
    const orphan = stop || stop6 ? ' (stop_command alone opens nothing)' : '';
    reader.problem('open', `the door opens nothing${orphan}`, 'write open = nftables tcp/22, or a start_command');
    return undefined;
  }
  for (const key of COMMANDS) checkCommand(reader, key, shell);
  return {
    kind: 'command',
    // As in knockd, a door may have a command for IPv6 alone.
    start: start ?? '',
    ...(start6 === undefined ? {} : { start6 }),
    // An empty stop_command closes nothing in either program.
    ...(stop ? { stop } : {}),
    ...(stop6 === undefined ? {} : { stop6 }),
    ...(shell ? { shell } : {}),
    ...(runAs === undefined ? {} : { runAs }),
  };
}

function unguarded(reader: DoorReader): DoorAction | undefined {
  const services = reader.services('service');
  return reader.has('open') || services === undefined ? undefined : { kind: 'service', services };
}

function readOpen(reader: DoorReader): DoorAction | undefined {
  const opened = reader.open('open');
  if (!reader.switch('open_once')) return opened;
  if (opened?.kind === 'nftables') return { ...opened, once: true };
  if (opened !== undefined || !reader.has('open')) {
    const message = 'only nftables can let one connection in and close behind it';
    reader.problem('open_once', message, 'write open = nftables tcp/22, or take open_once out');
  }
  return opened;
}

function checkCommand(reader: DoorReader, key: CommandKey, shell: boolean): void {
  const command = reader.command(key);
  if (!command) return;
  if (!command.includes('%IP%')) {
    reader.warn(key, 'the command does not name %IP%: it does the same for everyone who knocks');
  }
  const problem = commandProblem(command, shell, 'shell');
  if (problem !== undefined) reader.problem(key, problem.message, problem.hint);
}
