/** Configurations for tests: a text read with fixed surroundings, and a directory with a real file and clients. */
import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DerivedDoor, ServerConfig } from '../../../server/config/config.ts';
import { Findings } from '../../../server/config/findings.ts';
import { type ConfigDraft, parseConfig } from '../../../server/config/read-config.ts';
import type { Surroundings } from '../../../server/config/sections/read-options.ts';
import type { Problem } from '../../../shared/errors.ts';

const SURROUNDINGS: Surroundings = { hostname: 'bastion', defaultInterface: 'eth7' };

export interface ReadText extends ConfigDraft {
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
}

export function readText(text: string, around: Partial<Surroundings> = {}): ReadText {
  const findings = new Findings();
  const draft = parseConfig(text, '/etc/knock-otpd.conf', { ...SURROUNDINGS, ...around }, findings);
  return { ...draft, problems: findings.problems, warnings: findings.warnings };
}

/** The first door, which must have `otp`. */
export function derivedDoor({ doors: [door] }: ServerConfig): DerivedDoor {
  assert.equal(door?.kind, 'derived');
  return door;
}

/** A valid door, with further lines. */
export function doorText(name: string, ...lines: string[]): string {
  const open = lines.some((line) => /^(open|command|start_command)\b/.test(line)) ? [] : ['open = nftables tcp/22'];
  const otp = lines.some((line) => /^(otp|sequence|one_time_sequences)\b/.test(line)) ? [] : ['otp = totp'];
  return [`[${name}]`, ...otp, ...open, ...lines, ''].join('\n');
}

export interface ConfigDirectory {
  readonly root: string;
  readonly file: string;
  readonly clientsDir: string;
  /** Writes a client file; mode 0600 by default. */
  putClient(name: string, text: string, mode?: number): Promise<string>;
  remove(): Promise<void>;
}

/** A fresh directory with `doors` behind an [options] section that points into it. */
export async function configDirectory(doors: string): Promise<ConfigDirectory> {
  const root = await mkdtemp(join(tmpdir(), 'knock-otp-config-'));
  const clientsDir = join(root, 'clients');
  const file = join(root, 'knock-otpd.conf');
  await mkdir(clientsDir, { mode: 0o700 });
  await writeFile(file, `[options]\nserver_id = bastion\ninterface = lo\nclients_dir = ${clientsDir}\n${doors}`);
  await chmod(file, 0o600);
  return {
    root,
    file,
    clientsDir,
    async putClient(name, text, mode = 0o600) {
      const path = join(clientsDir, name);
      await writeFile(path, text);
      await chmod(path, mode);
      return path;
    },
    remove: () => rm(root, { recursive: true, force: true }),
  };
}
