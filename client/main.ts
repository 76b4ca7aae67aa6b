#!/usr/bin/env node
/** The program `knock-otp`. The only place that sets the exit code. */
import { run } from './run.ts';
import { systemDeps } from './system.ts';

/** Milliseconds that a program which is done may take to end by itself. */
const LINGER_MS = 100;

/**
 * A name server that does not answer keeps the resolver busy, and with it the process, long after we have given up on the
 * name: nothing can call it back.
 */
function leave(): void {
  const isWritten = process.stdout.writableLength === 0 && process.stderr.writableLength === 0;
  if (isWritten) process.exit();
  else setTimeout(leave, LINGER_MS).unref();
}

// Not awaited: the single file is a CommonJS module, which has no top-level await.
void run(process.argv.slice(2), systemDeps()).then((code) => {
  process.exitCode = code;
  setTimeout(leave, LINGER_MS).unref();
});
