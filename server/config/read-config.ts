/**
 * Reads the configuration file into a ServerConfig. Finds all problems of the file in one pass and throws them together.
 * `client-files.ts` reads the secrets, `load-server.ts` reads both.
 */
import { hostname } from 'node:os';
import { KnockError } from '../../shared/errors.ts';
import { type IniSection, parseIni } from '../../shared/formats/ini-document.ts';
import { formatService } from '../../shared/formats/profile-uri.ts';
import { servicesOf } from '../firewall/firewall.ts';
import type { ConfiguredDoor, ServerConfig } from './config.ts';
import { Findings } from './findings.ts';
import { withListening } from './listening-config.ts';
import { defaultInterface, readRouteTables } from './sections/default-interface.ts';
import { readDoor } from './sections/read-door.ts';
import { readOptions, type Surroundings } from './sections/read-options.ts';
import { OPTIONS_SECTION } from './sections/schema.ts';
import { isQuotable } from './sections/section-keys.ts';
import { readTrusted } from './trusted-file.ts';

/** Command-line options that override the file. */
export interface ConfigOptions {
  /** `-i`: an interface, several with commas, or `any`. */
  readonly interfaceOverride?: string;
  /** `-g` and `-p`: absolute paths. */
  readonly logFileOverride?: string;
  readonly pidFileOverride?: string;
}

/** The readable part of a configuration, with or without problems. */
export interface ConfigDraft {
  readonly config: ServerConfig;
  /** Names of all doors of the file; `config.doors` lacks doors with problems. */
  readonly doorNames: readonly string[];
  /** False when an option is wrong: `clients_dir` may then be a wrong directory. */
  readonly optionsSound: boolean;
}

const MAX_CONFIG_BYTES = 1024 * 1024;

/**
 * Reads and checks `file`, without warnings: `loadServer` reports these.
 * @throws KnockError CONFIG_INVALID with all problems, INSECURE_FILE when others can change the file
 */
export async function readConfig(file: string, options: ConfigOptions = {}): Promise<ServerConfig> {
  const findings = new Findings();
  const draft = await draftConfig(file, options, findings);
  findings.throwIfAny(file);
  if (draft === undefined) throw new KnockError('CONFIG_INVALID', `cannot read ${file}`);
  return draft.config;
}

/** As {@link readConfig}, but reports problems to `findings`; undefined when the file cannot be read. */
export async function draftConfig(
  file: string,
  options: ConfigOptions,
  findings: Findings,
): Promise<ConfigDraft | undefined> {
  const read = await readTrusted(file, { secret: false, maxBytes: MAX_CONFIG_BYTES });
  switch (read.kind) {
    case 'missing':
      findings.problem({ message: 'there is no such file', hint: 'docs/CONFIG.md begins with a working one' });
      return undefined;
    case 'insecure':
      findings.insecure(read.flaw);
      return undefined;
    case 'unreadable':
      findings.problem(read.flaw);
      return undefined;
    case 'text':
      for (const warning of read.warnings) findings.warn(warning);
      return parseConfig(read.text, file, surroundings(options), findings);
  }
}

function surroundings(options: ConfigOptions): Surroundings {
  return { hostname: hostname(), defaultInterface: defaultInterface(readRouteTables()), ...options };
}

/** Parses the text, without any input or output. */
export function parseConfig(text: string, file: string, around: Surroundings, findings: Findings): ConfigDraft {
  const { sections, problems } = parseIni(text, { merged: OPTIONS_SECTION });
  for (const { key, ...problem } of problems) {
    findings.problem(key !== undefined && isQuotable(key) ? { ...problem, key } : problem);
  }
  const options = sections.find(isOptions);
  const doorSections = sections.filter((section) => !isOptions(section));
  const doors: ConfiguredDoor[] = [];
  const lines = new Map<ConfiguredDoor, number>();
  for (const section of doorSections) {
    const door = readDoor(section, findings);
    if (door === undefined) continue;
    doors.push(door);
    lines.set(door, section.line);
  }
  if (sections.length > 0 && doorSections.length === 0) {
    findings.problem({ message: 'the file has no door', hint: 'a section such as [ssh] with otp = totp is one' });
  } else if (sections.length === 0 && problems.length === 0) {
    findings.problem({ message: 'the file is empty', hint: 'docs/CONFIG.md begins with a working one' });
  }
  reportSharedPorts(doors, lines, findings);
  reportSharedFiles(doors, lines, findings);
  const before = findings.problems.length;
  // Without an otp door no derivation uses the server id, so any host name will do.
  const needsId = doorSections.some(({ entries }) => entries.some(({ key }) => key === 'otp'));
  const { listenPorts, ...rest } = readOptions(options, around, findings, needsId);
  const optionsSound = findings.problems.length === before;
  const read = { file, ...rest, doors };
  const config = listenPorts === undefined ? read : withListening(read, listenPorts, sections, findings);
  return { config, doorNames: doorSections.map(({ name }) => name), optionsSound };
}

function isOptions({ name }: IniSection): boolean {
  return name.toLowerCase() === OPTIONS_SECTION;
}

/** Two doors with one file would use and strike each other's lines. */
function reportSharedFiles(
  doors: readonly ConfiguredDoor[],
  lines: ReadonlyMap<ConfiguredDoor, number>,
  findings: Findings,
): void {
  const owners = new Map<string, ConfiguredDoor>();
  for (const door of doors) {
    if (door.kind !== 'file') continue;
    const owner = owners.get(door.file);
    if (owner === undefined) owners.set(door.file, door);
    else {
      const message = `the file already belongs to door [${owner.name}] at line ${lines.get(owner)}`;
      const place = { section: door.name, key: 'one_time_sequences', line: lines.get(door) ?? 0 };
      findings.problem({ ...place, message, hint: 'give each door its own file' });
    }
  }
}

/** With two guards at one port, each would drop the sources that the other lets in. */
function reportSharedPorts(
  doors: readonly ConfiguredDoor[],
  lines: ReadonlyMap<ConfiguredDoor, number>,
  findings: Findings,
): void {
  const owners = new Map<string, ConfiguredDoor>();
  for (const door of doors) {
    for (const service of servicesOf(door.action).map(formatService)) {
      const owner = owners.get(service);
      if (owner === undefined) owners.set(service, door);
      else if (owner.name !== door.name) {
        const message = `${service} already belongs to door [${owner.name}] at line ${lines.get(owner)}`;
        const hint = 'a port has one door: enroll the clients there';
        findings.problem({ section: door.name, key: 'open', line: lines.get(door) ?? 0, message, hint });
      }
    }
  }
}
