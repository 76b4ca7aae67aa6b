/** Finds the configuration when the command line names none: ours, or that of a knockd that knock-otp replaces. */
import { lstatSync } from 'node:fs';

export const DEFAULT_CONFIGS = ['/etc/knock-otp.conf', '/etc/knockd.conf'] as const;

/**
 * The first of `candidates` that exists. Returns a file that exists but cannot be read, too: falling back to another
 * configuration could open other doors.
 */
export function findConfig(candidates: readonly [string, ...string[]] = DEFAULT_CONFIGS): string {
  return candidates.find(exists) ?? candidates[0];
}

function exists(path: string): boolean {
  try {
    lstatSync(path);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ENOENT';
  }
}
