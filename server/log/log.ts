/**
 * The Log interface and the formats of a log line. A line is a message in lower case and fields. Values are quoted when
 * needed, and control characters removed, because some values come from the network. `log-sinks.ts` has the destinations.
 */

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /**
   * Logs a line in knockd's words, in a file also in knockd's form; `line` must be printable. A JSON log gets `event`
   * instead.
   */
  knockd(line: string, event: LogEvent): void;
}

/** One entry of the log, before it becomes a line. */
export interface LogEntry extends LogEvent {
  readonly level: LogLevel;
}

/** Splits `refused: replay` at the colon into the event and the rest. */
export function splitMessage(message: string): { readonly event: string; readonly rest: string | undefined } {
  const [, event = message, rest] = /^([a-z][a-z -]{0,60}): (.+)$/s.exec(message) ?? [];
  return { event, rest };
}

/** An event with its fields, for the JSON log. */
export interface LogEvent {
  readonly message: string;
  readonly fields: LogFields;
}

/** Formats `message key=value key="two words"`, without undefined fields. */
export function formatLine(message: string, fields: LogFields = {}): string {
  const parts = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${formatValue(String(value))}`);
  return [clean(message), ...parts].join(' ');
}

/**
 * Formats one JSON object: time, level, event and the fields. Of `refused: replay` the event is `refused`, and the rest
 * becomes `reason`, or `detail` if a field `reason` exists. The result is always one line.
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

/** Prevents log injection: replaces characters that could start a new line or move a terminal's cursor. */
function clean(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is removed
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, '?');
}
