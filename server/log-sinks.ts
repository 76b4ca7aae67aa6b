/**
 * Where log lines go: stderr with the program's prefix, a file with times, syslog through logger(1). Each sink takes
 * whole lines and never throws: a full disk must not stop the daemon.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, writeSync } from 'node:fs';
import { formatLine, type Log, type LogFields, type LogLevel } from './log.ts';

export interface LogSink {
  write(level: LogLevel, line: string): void;
  /** A line as knockd would write it. */
  writeKnockd(line: string): void;
  /** Opens again what was renamed away (logrotate). */
  reopen?(): void;
  close?(): void;
}

export interface LogOptions {
  readonly sinks: readonly LogSink[];
  readonly verbose: boolean;
}

export function createLog({ sinks, verbose }: LogOptions): Log {
  const at = (level: LogLevel) => (message: string, fields?: LogFields) => {
    if (level === 'debug' && !verbose) return;
    const line = formatLine(message, fields);
    for (const sink of sinks) sink.write(level, line);
  };
  const knockd = (line: string) => {
    for (const sink of sinks) sink.writeKnockd(line);
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), knockd };
}

/** `knock-otpd: opened door=ssh`, with the level where it matters. */
export function streamSink(stream: NodeJS.WritableStream): LogSink {
  stream.on('error', () => undefined);
  return {
    write: (level, line) => {
      stream.write(`knock-otpd: ${level === 'warn' || level === 'error' ? `${level}: ` : ''}${line}\n`);
    },
    // knockd -v says these bare.
    writeKnockd: (line) => stream.write(`${line}\n`),
  };
}

/** Appends to `path`, created 0640. @throws when it cannot be opened at first; never later */
export function fileSink(path: string): LogSink {
  const open = () => openSync(path, 'a', 0o640);
  let file = open();
  const append = (line: string) => {
    try {
      writeSync(file, `${line}\n`);
    } catch {
      // A full disk: the line is lost, the daemon lives.
    }
  };
  return {
    write: (level, line) => append(`${new Date().toISOString()} ${level} ${line}`),
    writeKnockd: (line) => append(`[${localMinute(new Date())}] ${line}`),
    reopen: () => {
      try {
        const next = open();
        closeSync(file);
        file = next;
      } catch {
        // Keeps the file that it has.
      }
    },
    close: () => closeSync(file),
  };
}

/** `2026-11-21 07:40`, the local time, as knockd's log file has it. */
function localMinute(now: Date): string {
  const two = (value: number): string => `${value}`.padStart(2, '0');
  const date = [now.getFullYear(), two(now.getMonth() + 1), two(now.getDate())].join('-');
  return `${date} ${two(now.getHours())}:${two(now.getMinutes())}`;
}

const PRIORITY: Readonly<Record<LogLevel, number>> = { debug: 31, info: 30, warn: 28, error: 27 };

/** Facility daemon (3). Lines in knockd's words have its tag, which rules of fail2ban go by. */
export function syslogSink(program = '/usr/bin/logger'): LogSink {
  const [own, knockd] = [loggerProcess(program, 'knock-otpd'), loggerProcess(program, 'knockd')];
  return {
    write: (level, line) => own.write(`<${PRIORITY[level]}>${line}\n`),
    writeKnockd: (line) => knockd.write(`<${PRIORITY.info}>${line}\n`),
    close: () => {
      own.close();
      knockd.close();
    },
  };
}

/** One logger(1) process, started with the first line, which adds time and host and knows where syslog is. */
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
      // A logger that does not read must not make us grow.
      if (logger.stdin !== null && logger.stdin.writableLength < 65_536) logger.stdin.write(text);
    },
    close: () => logger?.stdin?.end(),
  };
}
