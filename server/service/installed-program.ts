/**
 * Finds the files that a service would start, and checks who can change them: a user who can write to one of them, or
 * to a folder above it, becomes root as soon as the service runs.
 */
import { realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { canNotify } from './service-manager.ts';

export interface Program {
  /** Absolute paths, with links resolved. */
  readonly node: string;
  readonly main: string;
  /** Whether it can send its state to systemd. */
  readonly notifies: boolean;
}

/** The program that runs now. */
export async function runningProgram(): Promise<Program> {
  const main = realpathSync(process.argv[1] ?? '');
  return { node: realpathSync(process.execPath), main, notifies: await canNotify() };
}

/** The part of the path that a user other than root can change, as text; undefined when there is none. */
export function foreignPart(path: string): string | undefined {
  for (let part = path; ; part = dirname(part)) {
    const { uid, mode } = statSync(part);
    if (uid !== 0) return `${part} belongs to user ${uid}`;
    // In a sticky folder like /tmp, only its owner can replace a file.
    const isSticky = part !== path && (mode & 0o1000) !== 0;
    if ((mode & 0o022) !== 0 && !isSticky)
      return `${part} can be changed by others (mode ${(mode & 0o7777).toString(8)})`;
    if (part === dirname(part)) return undefined;
  }
}
