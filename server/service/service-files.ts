/**
 * Writes and removes the files that make knock-otpd a service. Never touches a file that it did not write, and enables
 * or starts nothing. `systemd-unit.ts` and `openrc-script.ts` have the text of the files.
 */
import { existsSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { chmod, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { KnockError } from '../../shared/errors.ts';
import type { ServerConfig } from '../config/config.ts';
import type { Program } from './installed-program.ts';
import { openrcScript } from './openrc-script.ts';
import { dropIn, systemdUnit, UNIT_NAME } from './systemd-unit.ts';
import { needsOf } from './unit-needs.ts';

export const INITS = ['systemd', 'openrc'] as const;
export type Init = (typeof INITS)[number];

export interface ServiceFile {
  /** Absolute, without the root that it is written under. */
  readonly path: string;
  readonly text: string;
  readonly mode: number;
  /** What the file is for, in words. */
  readonly what: string;
}

const MARK = 'written by knock-otpd install-service';
const UNIT_FILE = `/etc/systemd/system/${UNIT_NAME}`;
const DROP_IN_FILE = `${UNIT_FILE}.d/10-configuration.conf`;
const SCRIPT_FILE = '/etc/init.d/knock-otpd';
/** The paths of a unit from a package. */
const PACKAGED_UNITS = [`/usr/lib/systemd/system/${UNIT_NAME}`, `/lib/systemd/system/${UNIT_NAME}`];

/** The init system below `root`; undefined when it is neither. */
export function initUnder(root: string): Init | undefined {
  const has = (path: string) => existsSync(join(root, path));
  if (has('/run/systemd/system')) return 'systemd';
  if (has('/sbin/openrc-run')) return 'openrc';
  return has('/usr/lib/systemd/systemd') || has('/lib/systemd/systemd') ? 'systemd' : undefined;
}

/** The files that `config` needs; without the unit where a package has installed it. */
export function filesFor(
  init: Init,
  config: ServerConfig,
  { node, main, notifies }: Program,
  root: string,
): readonly ServiceFile[] {
  const terms = { node, program: main, configFile: config.file };
  if (init === 'openrc') {
    const origin = `${MARK}; settings go into /etc/conf.d/knock-otpd`;
    return [{ path: SCRIPT_FILE, text: openrcScript({ ...terms, origin }), mode: 0o755, what: 'the script' }];
  }
  const files: ServiceFile[] = [];
  if (!PACKAGED_UNITS.some((path) => existsSync(join(root, path)))) {
    const origin = `${MARK}; change it with: systemctl edit knock-otpd`;
    const what = 'the unit: two capabilities, no internet sockets, nothing to write but its own folders';
    files.push({ path: UNIT_FILE, text: systemdUnit({ ...terms, notifies, origin }), mode: 0o644, what });
  }
  const needs = needsOf(config);
  if (needs.length > 0) {
    const origin = `${MARK} from ${config.file}; run it again when that changes`;
    const what = `what this configuration needs in addition: ${needs.map(({ reason }) => reason).join(', ')}`;
    files.push({ path: DROP_IN_FILE, text: dropIn(origin, needs), mode: 0o644, what });
  }
  return files;
}

/**
 * Writes the files, and removes other files that an earlier call wrote. Returns the paths of the removed files.
 * @throws KnockError USAGE when one of the files exists and is not ours, before any is written; STORE
 */
export async function writeServiceFiles(files: readonly ServiceFile[], root: string): Promise<readonly string[]> {
  for (const { path } of files) {
    if (isOurs(join(root, path)) === false) {
      throw new KnockError('USAGE', `${path} is there and was not ${MARK}`, {
        hint: 'move it away, or leave it as it is and do without this command',
      });
    }
  }
  try {
    for (const { path, text, mode } of files) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFileAtomic(join(root, path), text, { mode });
      // The umask of the user may have removed bits.
      await chmod(join(root, path), mode);
    }
    return removeServiceFiles(root, new Set(files.map(({ path }) => path))).removed;
  } catch (cause) {
    throw new KnockError('STORE', 'the service files could not be written', { cause, hint: 'run it as root' });
  }
}

export interface Removed {
  readonly removed: readonly string[];
  /** Existing files that are not ours. */
  readonly left: readonly string[];
}

/** Removes the files that we wrote, except the paths in `keep`. @throws the system's error */
export function removeServiceFiles(root: string, keep: ReadonlySet<string> = new Set()): Removed {
  const removed: string[] = [];
  const left: string[] = [];
  for (const path of [UNIT_FILE, DROP_IN_FILE, SCRIPT_FILE]) {
    if (keep.has(path)) continue;
    const ours = isOurs(join(root, path));
    if (ours === false) left.push(path);
    if (ours !== true) continue;
    rmSync(join(root, path));
    removed.push(path);
  }
  const folder = join(root, dirname(DROP_IN_FILE));
  if (existsSync(folder) && readdirSync(folder).length === 0) rmdirSync(folder);
  return { removed, left };
}

/** The links that make an init system start the service; empty when it is not enabled. */
export function enabledBy(root: string): readonly string[] {
  const found = (folder: string, pattern: RegExp, name: string): string[] =>
    namesIn(join(root, folder))
      .filter((each) => pattern.test(each) && namesIn(join(root, folder, each)).includes(name))
      .map((each) => join(folder, each, name));
  return [
    ...found('/etc/systemd/system', /\.(wants|requires)$/, UNIT_NAME),
    ...found('/etc/runlevels', /./, 'knock-otpd'),
  ];
}

/** Whether we wrote the file; undefined when there is no such file. */
function isOurs(path: string): boolean | undefined {
  try {
    return readFileSync(path, 'utf8')
      .split('\n', 2)
      .some((line) => line.includes(MARK));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
