/**
 * Which files a service would start, and whether they may be started as root for ever: whoever can write to one of them,
 * or to a folder above it, is root as soon as the service runs.
 */
import { realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { canNotify } from './service-manager.ts';

export interface Program {
  /** Absolute paths without links. */
  readonly node: string;
  readonly main: string;
  /** Whether it can tell systemd how it is. */
  readonly notifies: boolean;
}

/** What runs now. */
export async function runningProgram(): Promise<Program> {
  const main = realpathSync(process.argv[1] ?? '');
  return { node: realpathSync(process.execPath), main, notifies: await canNotify() };
}

/** The part of the path that somebody else than root can change, and who; undefined when there is none. */
export function foreignPart(path: string): string | undefined {
  for (let part = path; ; part = dirname(part)) {
    const { uid, mode } = statSync(part);
    if (uid !== 0) return `${part} belongs to user ${uid}`;
    // What stands in a folder like /tmp can be replaced by its owner alone.
    const isSticky = part !== path && (mode & 0o1000) !== 0;
    if ((mode & 0o022) !== 0 && !isSticky)
      return `${part} can be changed by others (mode ${(mode & 0o7777).toString(8)})`;
    if (part === dirname(part)) return undefined;
  }
}
