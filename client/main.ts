#!/usr/bin/env node
/** The program `knock-otp`. Only this file sets the exit code. */
import { run } from './cli/run.ts';
import { systemDeps } from './system.ts';

// Not awaited: the single file is a CommonJS module, which has no top-level await.
void run(process.argv.slice(2), systemDeps()).then((code) => {
  process.exitCode = code;
});
