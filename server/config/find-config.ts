/** Where the configuration is when nobody says: ours, or that of a knockd which this program takes the place of. */
import { lstatSync } from 'node:fs';

export const DEFAULT_CONFIGS = ['/etc/knock-otp.conf', '/etc/knockd.conf'] as const;

/**
 * The first of `candidates` that is there. One that is there and cannot be read is not passed over: another
 * configuration than the one that was meant may open other doors.
 */
export function findConfig(candidates: readonly [string, ...string[]] = DEFAULT_CONFIGS): string {
  return candidates.find(isThere) ?? candidates[0];
}

function isThere(path: string): boolean {
  try {
    lstatSync(path);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ENOENT';
  }
}
