/**
 * The logger's narrow interface. A line is a sentence in lower case and fields; values are quoted where they need it and
 * cleaned of control characters, since some come from the network. Where lines go is server/log-sinks.
 */

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A line in knockd's words and, where it goes to a file, in knockd's form; of printable characters only. */
  knockd(line: string): void;
}

/** `message key=value key="two words"`; undefined fields are left out. */
export function formatLine(message: string, fields: LogFields = {}): string {
  const parts = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${formatValue(String(value))}`);
  return [clean(message), ...parts].join(' ');
}

function formatValue(value: string): string {
  return /^[A-Za-z0-9_.:/@+-]+$/.test(value) ? value : JSON.stringify(clean(value));
}

/** Log injection: nothing that could start a line of its own or move a terminal's cursor passes. */
function clean(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is removed
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, '?');
}
