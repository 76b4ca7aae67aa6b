/** Reads the monitoring keys of [options]: metrics and the notify_command. */
import { type NotifyConfig, type NotifyEvent, notifyEvents } from '../../log/notify-command.ts';
import type { MetricsAddress } from '../metrics-address.ts';
import { checkCommand, effectiveCommand } from './command-words.ts';
import type { optionKeys } from './schema.ts';
import type { SectionReader } from './section-reader.ts';

export interface Views {
  readonly metrics?: MetricsAddress;
  readonly notify?: NotifyConfig;
}

export function readViews(reader: SectionReader<typeof optionKeys>): Views {
  const metrics = reader.metrics('metrics');
  const notify = readNotify(reader);
  return { ...(metrics === undefined ? {} : { metrics }), ...(notify === undefined ? {} : { notify }) };
}

function readNotify(reader: SectionReader<typeof optionKeys>): NotifyConfig | undefined {
  const shell = reader.switch('notify_shell');
  const command = effectiveCommand(reader.command('notify_command'), shell);
  const events = (reader.names('notify_events') ?? []).filter((name): name is NotifyEvent => {
    const isKnown = notifyEvents.some((event) => event === name);
    if (!isKnown) reader.problem('notify_events', `"${name}" is not an event`, `events are ${notifyEvents.join(', ')}`);
    return isKnown;
  });
  if (!command) {
    for (const key of ['notify_events', 'notify_shell'] as const) {
      if (reader.has(key)) reader.problem(key, 'there is no notify_command', 'write one, or remove this line');
    }
    return undefined;
  }
  checkCommand(reader, 'notify_command', command, { shell, shellKey: 'notify_shell' });
  return { command, shell, events };
}
