/**
 * Finds what a configuration needs beyond the general unit of `systemd-unit.ts`: folders to write, sockets,
 * capabilities. Pure: returns the lines of a drop-in, each with its reason.
 */
import { dirname } from 'node:path';
import type { ConfiguredDoor, ServerConfig } from '../config/config.ts';
import type { DoorAction } from '../firewall/firewall.ts';
import { type Need, OWN_FOLDERS, STATE_FOLDER, STOP_SECONDS } from './systemd-unit.ts';

/** The service cannot see these, because of ProtectHome and PrivateTmp; and other users may write to some of them. */
const HIDDEN_FOLDERS = ['/home', '/root', '/run/user', '/tmp', '/var/tmp'];

/** For all else that ends. */
const SPARE_SECONDS = 10;

const INTERNET_SOCKETS = 'RestrictAddressFamilies=AF_INET AF_INET6';

/** The needs in the order of the configuration; empty where the unit is enough. */
export function needsOf(config: ServerConfig): readonly Need[] {
  const needs: Need[] = [];
  const { stateDir, logFile, pidFile, metrics, notify, scans, doors } = config;
  if (stateDir !== STATE_FOLDER) {
    needs.push({
      reason: `state_dir = ${stateDir}`,
      settings: [`ExecStartPre=+/bin/mkdir -p -m 0700 ${stateDir}`, writable(stateDir)],
    });
  }
  for (const [key, file] of [['logfile', logFile] as const, ['pidfile', pidFile] as const]) {
    if (file !== undefined && !isOwn(file)) needs.push({ reason: key, settings: [writable(dirname(file))] });
  }
  if (metrics?.kind === 'unix' && !isOwn(metrics.path)) {
    needs.push({ reason: 'metrics by a socket', settings: [writable(dirname(metrics.path))] });
  }
  if (config.capture === 'listen') {
    needs.push({ reason: 'capture = listen', settings: [INTERNET_SOCKETS, 'IPAddressAllow=any'] });
  }
  if (metrics?.kind === 'tcp') {
    needs.push({ reason: 'metrics by TCP', settings: [INTERNET_SOCKETS, 'IPAddressAllow=localhost'] });
  }
  const commands = [
    ...(notify === undefined ? [] : ['notify_command']),
    ...(scans === undefined ? [] : ['scan_command']),
    ...doors.filter(hasCommands).map(({ name }) => `commands of [${name}]`),
  ];
  if (commands.length > 0) {
    // Their needs are unknown. Most call a firewall, some a network service.
    needs.push({
      reason: commands.join(', '),
      settings: [INTERNET_SOCKETS, 'IPAddressAllow=any', writable('/run')],
    });
  }
  return [...needs, ...doors.flatMap(needsOfDoor), ...patience(doors)];
}

/** Stopping waits for commands: those that close, after one that has just begun to open. */
function patience(doors: readonly ConfiguredDoor[]): readonly Need[] {
  const slowest = Math.max(0, ...doors.map(({ action, service }) => timeoutOf(action) ?? service?.timeoutMs ?? 0));
  const seconds = 2 * Math.ceil(slowest / 1000) + SPARE_SECONDS;
  return seconds <= STOP_SECONDS ? [] : [{ reason: 'command_timeout', settings: [`TimeoutStopSec=${seconds}`] }];
}

function timeoutOf(action: DoorAction): number | undefined {
  return action.kind === 'command' ? action.timeoutMs : undefined;
}

function needsOfDoor(door: ConfiguredDoor): readonly Need[] {
  const { name, action } = door;
  const needs: Need[] = [];
  if (door.kind === 'file' && !isOwn(door.file)) {
    // A strike may write a new file into the folder.
    needs.push({
      reason: `one_time_sequences of [${name}]`,
      settings: [writable(dirname(door.file)), 'CapabilityBoundingSet=CAP_CHOWN'],
    });
  }
  switch (action.kind) {
    case 'hosts.allow':
      needs.push({
        reason: `TCP Wrappers of [${name}]`,
        settings: [writable(dirname(action.file ?? '/etc/hosts.allow')), 'CapabilityBoundingSet=CAP_CHOWN'],
      });
      break;
    case 'iptables':
      needs.push({ reason: `iptables of [${name}]: its lock`, settings: [INTERNET_SOCKETS, writable('/run')] });
      break;
    case 'ufw':
      needs.push({
        reason: `ufw of [${name}]: its rules and its lock`,
        settings: [INTERNET_SOCKETS, writable('/etc/ufw'), writable('/run')],
      });
      break;
  }
  const runAs = action.kind === 'command' ? action.runAs : door.service?.runAs;
  if (runAs !== undefined) {
    needs.push({
      reason: `run_as of [${name}]`,
      // CAP_KILL: ends slow commands, which are another user's processes.
      settings: ['CapabilityBoundingSet=CAP_SETUID CAP_SETGID CAP_KILL', 'SystemCallFilter=@setuid'],
    });
  }
  return needs;
}

/** Whether the door runs commands: to open, or to start a service. */
function hasCommands({ action, service }: ConfiguredDoor): boolean {
  return action.kind === 'command' || service !== undefined;
}

/** Every file and folder that the configuration names, with its key. */
export function namedPaths({
  file,
  stateDir,
  clientsDir,
  logFile,
  pidFile,
  metrics,
  doors,
}: ServerConfig): NamedPath[] {
  const named: readonly (readonly [what: string, path: string | undefined])[] = [
    ['the configuration', file],
    ['state_dir', stateDir],
    ['clients_dir', clientsDir],
    ['logfile', logFile],
    ['pidfile', pidFile],
    ['metrics', metrics?.kind === 'unix' ? metrics.path : undefined],
    ...doors.map(
      ({ name, ...door }) => [`one_time_sequences of [${name}]`, 'file' in door ? door.file : undefined] as const,
    ),
  ];
  return named.flatMap(([what, path]) => (path === undefined ? [] : [{ what, path }]));
}

export interface NamedPath {
  readonly what: string;
  readonly path: string;
}

/** Whether the service cannot see this absolute path. */
export function isHidden(path: string): boolean {
  return HIDDEN_FOLDERS.some((folder) => isWithin(path, folder));
}

function writable(folder: string): string {
  // With the dash a missing folder does not fail the unit: the daemon reports files that it cannot write.
  return `ReadWritePaths=-${folder}`;
}

function isOwn(path: string): boolean {
  return OWN_FOLDERS.some((folder) => isWithin(path, folder));
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}
