#!/usr/bin/env node
/** The program knock-otpd: the only place that knows the process and sets its exit code. */
import { readFileSync } from 'node:fs';
import { runCli } from './cli.ts';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const { stdin, stdout, stderr } = process;
process.exitCode = await runCli(process.argv.slice(2), { version, stdin, stdout, stderr });
