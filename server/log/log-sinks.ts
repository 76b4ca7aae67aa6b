/**
 * The destinations of log lines: stderr with the program's prefix, a file with times, syslog through logger(1). A sink
 * never throws, so neither a full nor a slow disk stops the daemon. A JSON line contains its time and level, so sinks add
 * nothing to it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { fstatSync } from 'node:fs';
import {
  formatJson,
  formatLine,
  type Log,
  type LogEntry,
  type LogEvent,
  type LogFields,
  type LogLevel,
} from './log.ts';
import { LogFile } from './log-file.ts';

export interface LogSink {
  write(level: LogLevel, line: string): void;
  /** Writes a line in the form that knockd uses. */
  writeKnockd(line: string): void;
  /** Opens the log file again after it was renamed (logrotate). */
  reopen?(): void;
  /** Resolves when pending lines are written. */
  close?(): void | Promise<void>;
}

export interface LogOptions {
  readonly sinks: readonly LogSink[];
  readonly verbose: boolean;
  /** Default: text. */
  readonly format?: LogFormat;
  /** Called with each entry that is written. */
  readonly onEntry?: (entry: LogEntry) => void;
}

export type LogFormat = 'text' | 'json';

export function createLog({ sinks, verbose, format = 'text', onEntry }: LogOptions): Log {
  const at = (level: LogLevel) => (message: string, fields?: LogFields) => {
    if (level === 'debug' && !verbose) return;
    const line = format === 'json' ? formatJson(level, message, fields ?? {}, new Date()) : formatLine(message, fields);
    for (const sink of sinks) sink.write(level, line);
    onEntry?.({ level, message, fields: fields ?? {} });
  };
  const knockd = (line: string, { message, fields }: LogEvent) => {
    if (format === 'json') at('info')(message, fields);
    else {
      for (const sink of sinks) sink.writeKnockd(line);
      onEntry?.({ level: 'info', message, fields });
    }
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), knockd };
}

/**
 * Writes `knock-otpd: opened door=ssh`, with the level for warnings and errors. For systemd's journal it writes the level
 * as sd-daemon(3) defines it instead of the prefix.
 */
export function streamSink(
  stream: NodeJS.WritableStream,
  { format = 'text', isJournal = false }: { readonly format?: LogFormat; readonly isJournal?: boolean } = {},
): LogSink {
  stream.on('error', () => undefined);
  const lead = (level: LogLevel): string => {
    if (isJournal) return `<${SEVERITY[level]}>`;
    if (format === 'json') return '';
    return `knock-otpd: ${level === 'warn' || level === 'error' ? `${level}: ` : ''}`;
  };
  return {
    write: (level, line) => stream.write(`${lead(level)}${line}\n`),
    // knockd -v writes these lines without a prefix.
    writeKnockd: (line) => stream.write(`${isJournal ? lead('info') : ''}${line}\n`),
  };
}

/** Whether systemd connected `descriptor` to the journal; `variable` is JOURNAL_STREAM of systemd.exec(5). */
export function isJournalStream(descriptor: number, variable: string | undefined): boolean {
  const [, device, inode] = /^(\d+):(\d+)$/.exec(variable ?? '') ?? [];
  if (device === undefined || inode === undefined) return false;
  try {
    const { dev, ino } = fstatSync(descriptor, { bigint: true });
    return `${dev}` === device && `${ino}` === inode;
  } catch {
    return false;
  }
}

/**
 * Appends to `path`, created with mode 0640, without waiting; lines that the disk refuses are counted.
 * @throws when the file cannot be opened; the sink itself never throws
 */
export function fileSink(path: string, format: LogFormat = 'text'): LogSink {
  const lineOf = (level: LogLevel, line: string) =>
    format === 'json' ? line : `${new Date().toISOString()} ${level} ${line}`;
  const lost = (lines: number): string => {
    const message = 'lines of the log could not be written';
    return lineOf(
      'warn',
      format === 'json' ? formatJson('warn', message, { lines }, new Date()) : `${message} lines=${lines}`,
    );
  };
  const file = new LogFile(path, lost);
  return {
    write: (level, line) => file.append(lineOf(level, line)),
    writeKnockd: (line) => file.append(`[${localMinute(new Date())}] ${line}`),
    reopen: () => file.reopen(),
    close: () => file.close(),
  };
}

/** The local time as in knockd's log file: `2026-11-21 07:40`. */
function localMinute(now: Date): string {
  const two = (value: number): string => `${value}`.padStart(2, '0');
  const date = [now.getFullYear(), two(now.getMonth() + 1), two(now.getDate())].join('-');
  return `${date} ${two(now.getHours())}:${two(now.getMinutes())}`;
}

/** Severities of RFC 5424. A priority is the facility times 8 plus the severity. */
const SEVERITY: Readonly<Record<LogLevel, number>> = { debug: 7, info: 6, warn: 4, error: 3 };
const FACILITY_DAEMON = 3 * 8;

/** Writes to syslog with facility daemon. Lines in knockd's words get its tag, which fail2ban rules match. */
export function syslogSink(program = '/usr/bin/logger'): LogSink {
  const [own, knockd] = [loggerProcess(program, 'knock-otpd'), loggerProcess(program, 'knockd')];
  return {
    write: (level, line) => own.write(`<${FACILITY_DAEMON + SEVERITY[level]}>${line}\n`),
    writeKnockd: (line) => knockd.write(`<${FACILITY_DAEMON + SEVERITY.info}>${line}\n`),
    close: () => {
      own.close();
      knockd.close();
    },
  };
}

/** One logger(1) process, started with the first line. It adds time and host, and finds syslog. */
function loggerProcess(program: string, tag: string): { write(text: string): void; close(): void } {
  let logger: ChildProcess | undefined;
  const start = (): ChildProcess => {
    const child = spawn(program, ['--tag', tag, '--prio-prefix'], {
      stdio: ['pipe', 'ignore', 'ignore'],
      env: {},
    });
    child.on('error', () => undefined);
    child.stdin.on('error', () => undefined);
    return child;
  };
  return {
    write: (text) => {
      if (logger === undefined || logger.exitCode !== null || logger.signalCode !== null) logger = start();
      // Drop lines when logger does not read, so that memory stays bounded.
      if (logger.stdin !== null && logger.stdin.writableLength < 65_536) logger.stdin.write(text);
    },
    close: () => logger?.stdin?.end(),
  };
}
