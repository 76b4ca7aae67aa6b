#!/usr/bin/env node
/** The program `knock-otp`. The only place that sets the exit code. */
import { run } from './cli.ts';
import { systemDeps } from './system.ts';

process.exitCode = await run(process.argv.slice(2), systemDeps());
