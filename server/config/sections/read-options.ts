/** Reads the [options] section: interfaces, capture, server id, directories, logs, throttling, scans and metrics. */
import type { IniSection } from '../../../shared/formats/ini-document.ts';
import { NAME_PATTERN } from '../../../shared/formats/profile-uri.ts';
import { isNflog } from '../../capture/pcap/pcap-filter.ts';
import type { ServerConfig } from '../config.ts';
import { Findings } from '../findings.ts';
import { readScans } from './read-scans.ts';
import { readViews } from './read-views.ts';
import { OPTIONS_SECTION, optionKeys } from './schema.ts';
import { SectionReader } from './section-reader.ts';

/** The values that defaults and the command line come from. */
export interface Surroundings {
  readonly hostname: string;
  /** The interface of the default route. */
  readonly defaultInterface: string | undefined;
  /** The command line's `-i`, in the syntax of `interface`. */
  readonly interfaceOverride?: string;
  /** The command line's `-g` and `-p`. */
  readonly logFileOverride?: string;
  readonly pidFileOverride?: string;
}

/** The server id when the host name is not valid as one and no door needs it. */
const FALLBACK_ID = 'knockd';

export interface Options extends Omit<ServerConfig, 'file' | 'doors'> {
  /** Undefined without `capture = listen`. */
  readonly listenPorts: number | undefined;
}

/** `section` is undefined when the file has none; every option has a default. */
export function readOptions(
  section: IniSection | undefined,
  around: Surroundings,
  findings: Findings,
  needsId = true,
): Options {
  const reader = new SectionReader(optionKeys, section ?? { name: OPTIONS_SECTION, line: 1, entries: [] }, findings);
  const configured = reader.interfaces('interface');
  const capture = reader.choice('capture');
  const listens = capture === 'listen';
  const fallback = listens ? 'any' : (around.defaultInterface ?? 'any');
  const interfaces = interfaceOverride(around, findings) ?? configured ?? [fallback];
  let serverId = reader.name('server_id');
  if (serverId === undefined) {
    serverId = around.hostname;
    if (!needsId && !NAME_PATTERN.test(serverId)) serverId = FALLBACK_ID;
    else if (!reader.has('server_id') && !NAME_PATTERN.test(serverId)) {
      reader.problem('server_id', 'the host name is not a valid server_id', 'write one, such as server_id = bastion');
    }
  }
  if (capture === 'kernel' && interfaces.some(isNflog)) {
    reader.problem('capture', 'with an NFLOG group as interface, your own rules select the packets', 'capture = pcap');
  }
  const listenPorts = reader.integer('listen_ports');
  if (!listens && reader.has('listen_ports')) {
    reader.warn('listen_ports', 'the key has no effect without capture = listen');
  }
  const [configuredLog, configuredPid] = [reader.path('logfile'), reader.path('pidfile')];
  const logFile = around.logFileOverride ?? configuredLog;
  const scans = readScans(reader);
  const pidFile = around.pidFileOverride ?? configuredPid;
  return {
    serverId,
    interfaces,
    ...(capture === undefined ? {} : { capture }),
    listenPorts: listens ? listenPorts : undefined,
    nflogGroup: reader.integer('nflog_group'),
    stateDir: reader.path('state_dir'),
    clientsDir: reader.path('clients_dir'),
    ...(logFile === undefined ? {} : { logFile }),
    ...(pidFile === undefined ? {} : { pidFile }),
    useSyslog: reader.switch('usesyslog'),
    throttle: { failures: reader.integer('throttle_failures'), timeMs: reader.integer('throttle_time') * 1000 },
    ...(scans === undefined ? {} : { scans }),
    logFormat: reader.choice('log_format'),
    ...readViews(reader),
  };
}

function interfaceOverride(
  { interfaceOverride: text }: Surroundings,
  findings: Findings,
): readonly string[] | undefined {
  if (text === undefined) return undefined;
  const ownFindings = new Findings();
  const entry = { key: 'interface', rawKey: 'interface', value: text, line: 0 };
  const section = { name: OPTIONS_SECTION, line: 0, entries: [entry] };
  const list = new SectionReader(optionKeys, section, ownFindings).interfaces('interface');
  // On the command line there is no section and no line.
  for (const { message, hint } of ownFindings.problems) {
    findings.problem({ key: '-i', message, ...(hint === undefined ? {} : { hint }) });
  }
  return list;
}
