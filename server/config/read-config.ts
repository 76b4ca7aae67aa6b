/**
 * The configuration file -> ServerConfig. Every problem of the file is found in one pass and thrown together. Secrets
 * are not here: see client-files, and load-server for both at once.
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

/** What the command line says instead of the file. */
export interface ConfigOptions {
  /** `-i`: an interface, several with commas, or `any`. */
  readonly interfaceOverride?: string;
  /** `-g` and `-p`: absolute paths. */
  readonly logFileOverride?: string;
  readonly pidFileOverride?: string;
}

/** What could be read of a configuration, with problems or without. */
export interface ConfigDraft {
  readonly config: ServerConfig;
  /** Names of all doors of the file: `config.doors` lacks those that could not be read. */
  readonly doorNames: readonly string[];
  /** False where an option is wrong: `clients_dir` may then be another than meant. */
  readonly optionsSound: boolean;
}

const MAX_CONFIG_BYTES = 1024 * 1024;

/**
 * Reads and checks `file`. Warnings are found by {@link loadServer}, which reads the clients too.
 * @throws KnockError CONFIG_INVALID with all problems, INSECURE_FILE when others can change the file
 */
export async function readConfig(file: string, options: ConfigOptions = {}): Promise<ServerConfig> {
  const findings = new Findings();
  const draft = await draftConfig(file, options, findings);
  findings.throwIfAny(file);
  if (draft === undefined) throw new KnockError('CONFIG_INVALID', `cannot read ${file}`);
  return draft.config;
}

/** As {@link readConfig}, with what is wrong in `findings`; undefined when there is no text to read. */
export async function draftConfig(
  file: string,
  options: ConfigOptions,
  findings: Findings,
): Promise<ConfigDraft | undefined> {
  const read = await readTrusted(file, { secret: false, maxBytes: MAX_CONFIG_BYTES });
  switch (read.kind) {
    case 'missing':
      findings.problem({ message: 'there is no such file', hint: 'docs/CONFIG.md begins with one that works' });
      return undefined;
    case 'insecure':
      findings.insecure(read.flaw);
      return undefined;
    case 'unreadable':
      findings.problem(read.flaw);
      return undefined;
    case 'text':
      if (read.warning !== undefined) findings.warn(read.warning);
      return parseConfig(read.text, file, surroundings(options), findings);
  }
}

function surroundings(options: ConfigOptions): Surroundings {
  return { hostname: hostname(), defaultInterface: defaultInterface(readRouteTables()), ...options };
}

/** The pure part: text in, draft and findings out. */
export function parseConfig(text: string, file: string, around: Surroundings, findings: Findings): ConfigDraft {
  const { sections, problems } = parseIni(text);
  for (const { key, ...problem } of problems) {
    findings.problem(key !== undefined && isQuotable(key) ? { ...problem, key } : problem);
  }
  const [options, ...furtherOptions] = sections.filter(isOptions);
  for (const { name, line } of furtherOptions) {
    // The same spelling is the document's problem already.
    if (name !== options?.name) {
      const message = `[${options?.name}] stands at line ${options?.line} already`;
      findings.problem({ section: name, line, message, hint: 'put the keys of both together' });
    }
  }
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
    findings.problem({ message: 'the file is empty', hint: 'docs/CONFIG.md begins with one that works' });
  }
  reportSharedPorts(doors, lines, findings);
  reportSharedFiles(doors, lines, findings);
  const before = findings.problems.length;
  // Where nothing is derived, no client knows this server by its id, and a host's name is nobody's problem.
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

/** Each would use, and strike, the other's lines. */
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
      const message = `the file belongs to door [${owner.name}] at line ${lines.get(owner)} already`;
      const place = { section: door.name, key: 'one_time_sequences', line: lines.get(door) ?? 0 };
      findings.problem({ ...place, message, hint: 'give each door a file of its own' });
    }
  }
}

/** Two guards of one port would each drop whom the other lets in. */
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
        const message = `${service} belongs to door [${owner.name}] at line ${lines.get(owner)} already`;
        const hint = 'a port has one door: let its clients knock there';
        findings.problem({ section: door.name, key: 'open', line: lines.get(door) ?? 0, message, hint });
      }
    }
  }
}
