#!/usr/bin/env node
/** The program knock-otpd: the only place that knows the process and sets its exit code. */
import { version } from '../shared/files/version.ts';
import { runCli } from './cli.ts';

const { stdin, stdout, stderr } = process;
// Of a run that comes to no end.
process.exitCode = 1;
void runCli(process.argv.slice(2), { version: version(), stdin, stdout, stderr }).then((code) => {
  process.exitCode = code;
});
