/**
 * What a configuration that was read again changes for a daemon that runs: which doors come, go, or become others, and
 * what cannot be changed while it runs. Says so and does nothing: server/daemon/reload/config-reload carries it out.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Problem } from '../../../shared/errors.ts';
import { captureScopeOf, listenedDoors, watchedBy } from '../../config/capture-scope.ts';
import type { ConfiguredDoor, ServerConfig } from '../../config/config.ts';
import { formatMetricsAddress } from '../../config/metrics-address.ts';
import { OPTIONS_SECTION } from '../../config/sections/schema.ts';

export interface ConfigChange {
  readonly added: readonly ConfiguredDoor[];
  readonly removed: readonly ConfiguredDoor[];
  readonly changed: readonly { readonly before: ConfiguredDoor; readonly after: ConfiguredDoor }[];
  /** Other interfaces, or other packets: whoever listens must listen anew. */
  readonly listensElsewhere: boolean;
}

/** Keys of `[options]` that the daemon takes at its start only, with what they say. */
const FIXED: readonly (readonly [string, (config: ServerConfig) => string])[] = [
  ['server_id', ({ serverId }) => serverId],
  ['state_dir', ({ stateDir }) => stateDir],
  ['clients_dir', ({ clientsDir }) => clientsDir],
  ['logfile', ({ logFile }) => logFile ?? 'none'],
  ['pidfile', ({ pidFile }) => pidFile ?? 'none'],
  ['usesyslog', ({ useSyslog }) => (useSyslog ? 'yes' : 'no')],
  ['throttle_failures', ({ throttle }) => `${throttle.failures}`],
  ['throttle_time', ({ throttle }) => `${throttle.timeMs / 1000}`],
  ['scan_threshold', ({ scans }) => `${scans?.threshold ?? 'none'}`],
  ['never_ban', ({ scans }) => scans?.neverBan.map(({ text }) => text).join(', ') || 'none'],
  ['log_format', ({ logFormat }) => logFormat],
  ['metrics', ({ metrics }) => (metrics === undefined ? 'none' : formatMetricsAddress(metrics))],
];

/** Why `after` cannot follow `before` without a restart; empty when it can. */
export function restartProblems(before: ServerConfig, after: ServerConfig): readonly Problem[] {
  const problems: Problem[] = FIXED.filter(([, textOf]) => textOf(before) !== textOf(after)).map(([key, textOf]) => ({
    section: OPTIONS_SECTION,
    key,
    message: `takes effect with a restart only: it is "${textOf(before)}", the file says "${textOf(after)}"`,
    hint: 'restart knock-otpd, or put the old value back',
  }));
  // Not quoted: the commands may hold what is not for every eye.
  const told = ({ scans }: ServerConfig) => [scans?.command, scans?.shell];
  for (const [key, isSame] of [
    ['notify_command', isDeepStrictEqual(before.notify, after.notify)],
    ['scan_command', isDeepStrictEqual(told(before), told(after))],
  ] as const) {
    if (isSame) continue;
    const message = 'takes effect with a restart only';
    problems.push({ section: OPTIONS_SECTION, key, message, hint: 'restart knock-otpd' });
  }
  // The guard of doors over loopback is a matter of how the firewall was made.
  if (before.interfaces.includes('lo') === after.interfaces.includes('lo')) return problems;
  const message = 'lo comes and goes with a restart only';
  return [...problems, { section: OPTIONS_SECTION, key: 'interface', message, hint: 'restart knock-otpd' }];
}

export function compareConfigs(before: ServerConfig, after: ServerConfig): ConfigChange {
  const named = (doors: readonly ConfiguredDoor[], name: string) => doors.find((door) => door.name === name);
  return {
    added: after.doors.filter(({ name }) => named(before.doors, name) === undefined),
    removed: before.doors.filter(({ name }) => named(after.doors, name) === undefined),
    changed: before.doors.flatMap((door) => {
      const next = named(after.doors, door.name);
      return next === undefined || isDeepStrictEqual(door, next) ? [] : [{ before: door, after: next }];
    }),
    listensElsewhere: !isDeepStrictEqual(listening(before), listening(after)),
  };
}

function listening({ interfaces, capture, nflogGroup, doors }: ServerConfig): unknown {
  return [interfaces, capture, nflogGroup, captureScopeOf(doors), watchedBy(doors), listenedDoors(doors)];
}

/** Whether the sequences of a door come from somewhere else: what was live or listed before means nothing any more. */
export function hasOtherSequences(before: ConfiguredDoor, after: ConfiguredDoor): boolean {
  const originOf = (door: ConfiguredDoor) =>
    door.kind === 'static' ? door.sequence : door.kind === 'file' ? door.file : '';
  return before.kind !== after.kind || !isDeepStrictEqual(originOf(before), originOf(after));
}
