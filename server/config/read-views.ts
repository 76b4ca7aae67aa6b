/** The keys of `[options]` about being seen: metrics, and whom to tell. */
import type { MetricsAddress } from '../metrics/metrics-server.ts';
import { type NotifyConfig, type NotifyEvent, notifyEvents } from '../notify.ts';
import { isPlainCommand, shellOperators } from './command-words.ts';
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
  const command = reader.command('notify_command');
  const shell = reader.switch('notify_shell');
  const events = (reader.names('notify_events') ?? []).filter((name): name is NotifyEvent => {
    const isKnown = notifyEvents.some((event) => event === name);
    if (!isKnown) reader.problem('notify_events', `"${name}" is no event`, `events are ${notifyEvents.join(', ')}`);
    return isKnown;
  });
  if (!command) {
    for (const key of ['notify_events', 'notify_shell'] as const) {
      if (reader.has(key)) reader.problem(key, 'there is no notify_command', 'write one, or take this out');
    }
    return undefined;
  }
  if (!shell) {
    const operators = shellOperators(command);
    if (operators.length > 0) {
      const hint = 'notify_shell = yes if a shell shall read it; quote it if it is meant as it stands';
      reader.problem('notify_command', `commands run without a shell, and ${operators.join(' ')} needs one`, hint);
    } else if (!isPlainCommand(command)) {
      const hint = 'close its quotes, and begin it with a program';
      reader.problem('notify_command', 'the command cannot be split into words', hint);
    }
  }
  return { command, shell, events };
}
