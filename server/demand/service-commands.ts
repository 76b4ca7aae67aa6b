/**
 * Runs the start or stop command of a service. It has no address of a source: the command is the same for every source.
 */
import { parseCommandLine, parseShellLine } from '../process/command-line.ts';
import { asUser } from '../process/other-user.ts';
import { runCommand } from '../process/run-command.ts';
import { userOf } from '../process/user-of.ts';
import type { ServiceTerms } from './service-terms.ts';

/** A service manager takes its time. */
const DEFAULT_COMMAND_MS = 30_000;

/** How long a command of the service may take. */
export function commandMs({ timeoutMs = DEFAULT_COMMAND_MS }: ServiceTerms): number {
  return timeoutMs;
}

/** @throws KnockError COMMAND with the command's output; CommandNotStarted when it could not be run */
export async function runServiceCommand(door: string, terms: ServiceTerms, verb: 'start' | 'stop'): Promise<void> {
  const { shell, runAs } = terms;
  const line = shell === true ? parseShellLine(terms[verb]) : parseCommandLine(terms[verb]);
  const user = runAs === undefined ? undefined : await userOf(runAs);
  await runCommand({
    ...(user === undefined ? line : asUser(user, line)),
    environment: { KNOCK_OTP_DOOR: door, ...user?.environment },
    timeoutMs: commandMs(terms),
  });
}
