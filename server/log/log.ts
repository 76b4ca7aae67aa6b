/**
 * The logger's narrow interface. A line is a sentence in lower case and fields; values are quoted where they need it and
 * cleaned of control characters, since some come from the network. Where lines go is server/log/log-sinks.
 */

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /**
   * A line in knockd's words and, where it goes to a file, in knockd's form; of printable characters only. Where the log
   * is for programs, `event` is written instead.
   */
  knockd(line: string, event: LogEvent): void;
}

/** One entry, before it becomes a line. */
export interface LogEntry extends LogEvent {
  readonly level: LogLevel;
}

/** `refused: replay`: what comes before the colon names the event, the rest says more. */
export function splitMessage(message: string): { readonly event: string; readonly rest: string | undefined } {
  const [, event = message, rest] = /^([a-z][a-z -]{0,60}): (.+)$/s.exec(message) ?? [];
  return { event, rest };
}

/** What happened, for a log that programs read. */
export interface LogEvent {
  readonly message: string;
  readonly fields: LogFields;
}

/** `message key=value key="two words"`; undefined fields are left out. */
export function formatLine(message: string, fields: LogFields = {}): string {
  const parts = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${formatValue(String(value))}`);
  return [clean(message), ...parts].join(' ');
}

/**
 * One JSON object: time, level, event and the fields. Of `refused: replay` the event is `refused`, and the rest is the
 * `reason`, or the `detail` where there is a reason besides. Whatever a value holds, the object is one line.
 */
export function formatJson(level: LogLevel, message: string, fields: LogFields, at: Date): string {
  const { event, rest } = splitMessage(message);
  const said = rest === undefined ? {} : { [fields['reason'] === undefined ? 'reason' : 'detail']: rest };
  const entry = { time: at.toISOString(), level, event, ...said, ...fields };
  return JSON.stringify(entry, (_key, value: unknown) => (typeof value === 'string' ? clean(value) : value));
}

function formatValue(value: string): string {
  return /^[A-Za-z0-9_.:/@+-]+$/.test(value) ? value : JSON.stringify(clean(value));
}

/** Log injection: nothing that could start a line of its own or move a terminal's cursor passes. */
function clean(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is removed
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, '?');
}
