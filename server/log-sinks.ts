/**
 * Where log lines go: stderr with the program's prefix, a file with times, syslog through logger(1). Each sink takes
 * whole lines and never throws: a full disk must not stop the daemon.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, writeSync } from 'node:fs';
import { formatLine, type Log, type LogFields, type LogLevel } from './log.ts';

export interface LogSink {
  write(level: LogLevel, line: string): void;
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
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** `knock-otpd: opened door=ssh`, with the level where it matters. */
export function streamSink(stream: NodeJS.WritableStream): LogSink {
  stream.on('error', () => undefined);
  return {
    write: (level, line) => {
      stream.write(`knock-otpd: ${level === 'warn' || level === 'error' ? `${level}: ` : ''}${line}\n`);
    },
  };
}

/** Appends to `path`, created 0640. @throws when it cannot be opened at first; never later */
export function fileSink(path: string): LogSink {
  const open = () => openSync(path, 'a', 0o640);
  let file = open();
  return {
    write: (level, line) => {
      try {
        writeSync(file, `${new Date().toISOString()} ${level} ${line}\n`);
      } catch {
        // A full disk: the line is lost, the daemon lives.
      }
    },
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

const PRIORITY: Readonly<Record<LogLevel, number>> = { debug: 31, info: 30, warn: 28, error: 27 };

/** Facility daemon (3), through one logger(1) process, which adds time and host and knows where syslog is. */
export function syslogSink(): LogSink {
  let logger: ChildProcess | undefined;
  const start = (): ChildProcess => {
    const child = spawn('/usr/bin/logger', ['--tag', 'knock-otpd', '--prio-prefix'], {
      stdio: ['pipe', 'ignore', 'ignore'],
      env: {},
    });
    child.on('error', () => undefined);
    child.stdin.on('error', () => undefined);
    return child;
  };
  return {
    write: (level, line) => {
      if (logger === undefined || logger.exitCode !== null || logger.signalCode !== null) logger = start();
      // A logger that does not read must not make us grow.
      if (logger.stdin !== null && logger.stdin.writableLength < 65_536)
        logger.stdin.write(`<${PRIORITY[level]}>${line}\n`);
    },
    close: () => logger?.stdin?.end(),
  };
}
